"""Probes of many models, in a Parquet file next to their fingerprints, or in the home folder of a store."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor, as_completed
from dataclasses import asdict, dataclass, field
from pathlib import Path

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from atlas_db.core.arrays import Floats
from atlas_db.core.errors import WeightsError, fault_text
from atlas_db.core.files import printable, replacing
from atlas_db.core.terms import Progress
from ingest.weights.fingerprints.http_range import SCHEME
from ingest.weights.fingerprints.model_files import ModelFiles
from ingest.weights.fingerprints.parquet import read_rows
from ingest.weights.probes.forward_probe import probe_model

VERSION = "probe@2"


PROBES_FOLDER = "probes"
"""Folder in the home folder, with a file a store."""
CHECKPOINT_MODELS = 16
"""Models between two checkpoints on disk."""
_SCHEMA = pa.schema(
    [
        ("id", pa.string()),
        ("location", pa.string()),
        ("revision", pa.string()),
        ("kind", pa.string()),
        ("signature", pa.string()),
        ("outputs", pa.list_(pa.float32())),
        ("gram", pa.list_(pa.float32())),
    ],
    metadata={b"atlas_db.probe": VERSION.encode()},
)


@dataclass(slots=True)
class Probe:
    """`ProbeOutput` of a model, with its id and the version of its files.

    Attributes:
        id: Hub id.
        location: Where its weights are.
        revision: Digest of its weight files.
        kind: tokens, text, image or audio.
        signature: Kind and shape of the output.
        outputs: Shape (32 · places,).
        gram: Shape (528,), of length 1.
    """

    id: str
    location: str
    revision: str
    kind: str
    signature: str
    outputs: Floats
    gram: Floats


@dataclass(slots=True)
class ProbeReport:
    """Counts of a batch of probes.

    Attributes:
        models: Models found.
        made: Models that were run.
        kept: Models with probes of unchanged files that were there already.
        skipped: Reasons by id of models that were not run.
    """

    models: int = 0
    made: int = 0
    kept: int = 0
    skipped: dict[str, str] = field(default_factory=dict)

    def counts(self) -> dict[str, object]:
        """Return everything as plain values."""
        plain: dict[str, object] = msgspec.to_builtins(self)
        return plain


def sidecar_path(fingerprints: Path) -> Path:
    """Return the path of the probes that belong to a file of fingerprints."""
    return fingerprints.with_suffix(".probes.parquet")


def probe_all(
    models: Sequence[ModelFiles], out: Path, progress: Progress, *, executor: Executor | None = None
) -> ProbeReport:
    """Probe models into a Parquet file. A run that was killed goes on from its last checkpoint.

    Args:
        models: The models. Repositories that are not on this disk are skipped.
        out: The file. Its probes of unchanged files are kept.
        progress: Called with stage, done and total.
        executor: Executor; by default one model at a time, each on all cores.

    Raises:
        InputError: The file that is there cannot be read.
    """
    known: dict[str, list[Probe]] = defaultdict(list)
    for old in read_probes([out] if out.exists() else []):
        known[old.id].append(old)
    report = ProbeReport(models=len(models))
    missing = [m for m in models if not any(item.revision == m.revision for item in known.get(m.id, ()))]
    report.kept = len(models) - len(missing)
    with executor or ThreadPoolExecutor(1) as pool:
        futures = {pool.submit(_probe_model, item): item for item in missing}
        for done, future in enumerate(as_completed(futures), 1):
            item, (probes, reason) = futures[future], future.result()
            known[item.id] = probes
            if reason:
                report.skipped[item.id] = reason
            else:
                report.made += 1
            if done % CHECKPOINT_MODELS == 0:
                _write_grouped(known, out)
            progress("Probes", done, len(missing))
    report.skipped = dict(sorted(report.skipped.items()))
    _write_grouped(known, out)
    return report


def _probe_model(item: ModelFiles) -> tuple[list[Probe], str]:
    """Probe one model; an error is returned as a value, so that it crosses processes."""
    if item.problem:
        return [], item.problem
    try:
        if item.folder.startswith(SCHEME):
            raise WeightsError(item.folder, "is not on this disk: only local files are run")
        location = printable(item.folder)
        return [Probe(item.id, location, item.revision, *answer) for answer in probe_model(Path(item.folder))], ""
    except WeightsError as error:
        return [], f"{error.file} {error.reason}"
    except Exception as error:  # noqa: BLE001 - one odd model among many must not end the batch
        return [], f"{item.folder}: {fault_text(error)}"


def _write_grouped(known: Mapping[str, list[Probe]], out: Path) -> None:
    write_probes((item for key in sorted(known) for item in known[key]), out)


def write_probes(probes: Iterable[Probe], out: Path) -> None:
    """Write probes; the file appears whole or not at all."""
    with replacing(out) as partial:
        pq.write_table(pa.Table.from_pylist([asdict(item) for item in probes], _SCHEMA), partial, compression="zstd")


def read_probes(paths: Iterable[Path]) -> Iterator[Probe]:
    """Yield the probes in Parquet files.

    Raises:
        InputError: A file is not there, is no such file, or of another version.
    """
    for row in read_rows(paths, "probe", VERSION, _REBUILD_HINT, _MISSING_HINT):
        yield Probe(**{**row, **{name: np.array(row[name], np.float32) for name in ("outputs", "gram")}})


_REBUILD_HINT = "Remove it, then make it anew: atlas-db fingerprint FOLDER --probe --out FILE"
_MISSING_HINT = "Make it: atlas-db fingerprint FOLDER --probe --out FILE"


def load_store_probes(home: Path, store_id: str) -> list[Probe]:
    """Return the stored probes of a store; empty where there are none.

    Raises:
        InputError: Their file cannot be read.
    """
    file = home / PROBES_FOLDER / f"{store_id}.parquet"
    return list(read_probes([file])) if file.is_file() else []


def save_store_probes(probes: Iterable[Probe], home: Path, store_id: str) -> None:
    """Store the probes of a store in the home folder; those of the same models are replaced.

    Raises:
        InputError: The file that is there cannot be read.
    """
    new = group_by_model(probes)
    known = {**group_by_model(load_store_probes(home, store_id)), **new}
    (home / PROBES_FOLDER).mkdir(parents=True, exist_ok=True)
    _write_grouped(known, home / PROBES_FOLDER / f"{store_id}.parquet")


def group_by_model(probes: Iterable[Probe]) -> dict[str, list[Probe]]:
    """Return probes by model id."""
    found: dict[str, list[Probe]] = defaultdict(list)
    for item in probes:
        found[item.id].append(item)
    return dict(found)
