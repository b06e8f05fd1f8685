"""Probes of many models: made beside their fingerprints, kept in a Parquet file, and compared."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor, as_completed
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import NamedTuple

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from atlas_db.errors import WeightsError
from atlas_db.files import replacing
from atlas_db.terms import Progress
from ingest.weights.batch import Found
from ingest.weights.probing import GRAM, probe
from ingest.weights.remote import SCHEME
from ingest.weights.safetensors import Floats
from ingest.weights.table import rows_of

VERSION = "probe@1"
FOLDER = "probes"
"""Of the home folder: a file a store."""
SAME = 0.01
"""Relative difference of answers below which two models compute the same function, up to the rounding of 16 bits."""
ALIKE = 0.9
"""Likeness from which models count as behaving alike; independent ones of one architecture stay far below."""
CHECKPOINT = 16
"""Models after which what is done so far is on disk."""
_SCHEMA = pa.schema(
    [
        ("id", pa.string()),
        ("location", pa.string()),
        ("revision", pa.string()),
        ("kind", pa.string()),
        ("signature", pa.string()),
        ("answers", pa.list_(pa.float32())),
        ("gram", pa.list_(pa.float32())),
    ],
    metadata={b"atlas_db.probe": VERSION.encode()},
)


@dataclass(slots=True)
class Probe:
    """What a model answers to inputs of one kind; see `probing.Answer`.

    Attributes:
        id: Hub id.
        location: Where its weights lie.
        revision: Digest of its weight files.
        kind: tokens, text, image or audio.
        signature: Kind and sides of its output.
        answers: Shape (32 · places,).
        gram: Shape (528,), of length one.
    """

    id: str
    location: str
    revision: str
    kind: str
    signature: str
    answers: Floats
    gram: Floats


@dataclass(slots=True)
class ProbeReport:
    """What a batch did.

    Attributes:
        models: Models found.
        made: Models run.
        kept: Models whose answers were there already, of the same files.
        skipped: Models that were not run, id and reason.
    """

    models: int = 0
    made: int = 0
    kept: int = 0
    skipped: dict[str, str] = field(default_factory=dict)

    def counts(self) -> dict[str, object]:
        """Return everything as plain values."""
        plain: dict[str, object] = msgspec.to_builtins(self)
        return plain


class Likeness(NamedTuple):
    """How alike another model behaves.

    Attributes:
        model: Its id.
        kind: Kind of inputs that both answered.
        likeness: Linear centred kernel alignment of the last layers, 0..1.
        difference: Length of the difference of answers beside the longer, None where outputs have other sides.
    """

    model: str
    kind: str
    likeness: float
    difference: float | None


def beside(prints: Path) -> Path:
    """Return the file of probes that lies beside a file of fingerprints."""
    return prints.with_suffix(".probes.parquet")


def probe_all(
    models: Sequence[Found], out: Path, progress: Progress, *, executor: Executor | None = None
) -> ProbeReport:
    """Probe models into a Parquet file. A run that was killed goes on from its last checkpoint.

    Args:
        models: What to run; repositories that are not on this disk are skipped.
        out: The file; probes of unchanged files that it holds already are kept.
        progress: Told of stage, done and total.
        executor: Where to compute; a model after the other by default, each on all cores.

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
        futures = {pool.submit(_one, item): item for item in missing}
        for done, future in enumerate(as_completed(futures), 1):
            item, (probes, reason) = futures[future], future.result()
            known[item.id] = probes
            if reason:
                report.skipped[item.id] = reason
            else:
                report.made += 1
            if done % CHECKPOINT == 0:
                _write(known, out)
            progress("Probes", done, len(missing))
    report.skipped = dict(sorted(report.skipped.items()))
    _write(known, out)
    return report


def _one(item: Found) -> tuple[list[Probe], str]:
    """Probe one model; what goes wrong is a value, so that it crosses processes."""
    try:
        if item.folder.startswith(SCHEME):
            raise WeightsError(item.folder, "is not on this disk: only local files are run")
        return [Probe(item.id, item.folder, item.revision, *answer) for answer in probe(Path(item.folder))], ""
    except WeightsError as error:
        return [], f"{error.file} {error.reason}"


def _write(known: Mapping[str, list[Probe]], out: Path) -> None:
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
    for row in rows_of(paths, "probe", VERSION, _HINT, _HINT):
        yield Probe(**{**row, **{name: np.array(row[name], np.float32) for name in ("answers", "gram")}})


_HINT = "Make it with atlas-db fingerprint --probe"


def kept_probes(home: Path, store_id: str) -> list[Probe]:
    """Return the probes kept for a store, none where there are none.

    Raises:
        InputError: Their file cannot be read.
    """
    file = home / FOLDER / f"{store_id}.parquet"
    return list(read_probes([file])) if file.is_file() else []


def keep_probes(probes: Iterable[Probe], home: Path, store_id: str) -> None:
    """Keep probes for a store, in the home folder; those of the same models are replaced.

    Raises:
        InputError: The file that is there cannot be read.
    """
    new = by_model(probes)
    known = {**by_model(kept_probes(home, store_id)), **new}
    (home / FOLDER).mkdir(parents=True, exist_ok=True)
    _write(known, home / FOLDER / f"{store_id}.parquet")


def similar(of: Sequence[Probe], among: Iterable[Probe], limit: int = 10) -> list[Likeness]:
    """Return the models that behave most like one.

    Args:
        of: Its probes, one a kind of inputs.
        among: Probes of others; those of the same id are left out.
        limit: Models at most.

    Returns:
        The most alike first. Sentences count before token ids, which mean other words to another tokenizer.
    """
    mine = {item.kind: item for item in of}
    best: dict[str, tuple[bool, Likeness]] = {}
    for item in among:
        own = mine.get(item.kind)
        if own is None or item.id == own.id:
            continue
        found = Likeness(item.id, item.kind, float(own.gram @ item.gram), difference(own, item))
        if item.id not in best or item.kind == "text":
            best[item.id] = (item.kind == "text", found)
    ranked = (found for _, found in best.values())
    return sorted(ranked, key=lambda each: (-round(each.likeness, 6), each.difference or 0.0, each.model))[:limit]


def difference(left: Probe, right: Probe) -> float | None:
    """Return how far two models' answers are apart, beside the longer; None where outputs have other sides."""
    if left.signature != right.signature or left.kind != right.kind:
        return None
    longer = max(float(np.linalg.norm(left.answers)), float(np.linalg.norm(right.answers)), 1e-30)
    return float(np.linalg.norm(left.answers - right.answers)) / longer


def same_function(probes: Sequence[Probe]) -> list[tuple[str, str, float]]:
    """Return pairs of models whose answers are the same, and how far they are apart.

    Models are sorted by the length of their answers, so that only those of like length are compared. Answers that are
    all zero tell nothing.
    """
    groups: dict[tuple[str, str], list[tuple[float, Probe]]] = defaultdict(list)
    for item in probes:
        length = float(np.linalg.norm(item.answers))
        if length > 1e-6:
            groups[item.kind, item.signature].append((length, item))
    pairs: dict[tuple[str, str], float] = {}
    for members in groups.values():
        members.sort(key=lambda pair: (pair[0], pair[1].id))
        for at, (length, item) in enumerate(members):
            for further, other in members[at + 1 :]:
                if further * (1 - SAME) > length:
                    break
                apart = difference(item, other)
                if apart is not None and apart < SAME:
                    pair = (min(item.id, other.id), max(item.id, other.id))
                    pairs[pair] = max(apart, pairs.get(pair, 0.0))
    return [(*pair, apart) for pair, apart in sorted(pairs.items())]


def alike_groups(probes: Sequence[Probe]) -> dict[str, str]:
    """Return for each model the first of those that behave as it does, by leader clustering at `ALIKE`.

    Args:
        probes: In any order; one kind of inputs a model is used, sentences before token ids.
    """
    chosen: dict[str, Probe] = {}
    for item in sorted(probes, key=lambda each: (each.id, each.kind != "text")):
        chosen.setdefault(item.id, item)
    found: dict[str, str] = {}
    for kind in sorted({item.kind for item in chosen.values()}):
        members = [item for item in chosen.values() if item.kind == kind]
        ahead = np.empty((len(members), GRAM), np.float32)
        names: list[str] = []
        for item in members:
            likeness = ahead[: len(names)] @ item.gram
            if len(names) and likeness.max() >= ALIKE:
                found[item.id] = names[int(likeness.argmax())]
            else:
                ahead[len(names)] = item.gram
                names.append(item.id)
                found[item.id] = item.id
    return found


def by_model(probes: Iterable[Probe]) -> dict[str, list[Probe]]:
    """Return probes by model id."""
    found: dict[str, list[Probe]] = defaultdict(list)
    for item in probes:
        found[item.id].append(item)
    return dict(found)
