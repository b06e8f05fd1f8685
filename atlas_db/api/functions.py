"""The Python interface: open an atlas, ask it, and get data frames.

>>> import atlas_db
>>> atlas = atlas_db.connect("demo")
>>> atlas
<Atlas demo: 371 models>
>>> atlas.close()
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
import pandas as pd

from atlas_db.api.atlas import Atlas, LineageView
from atlas_db.core.errors import ModelNotFoundError
from atlas_db.core.extras import require_extra
from atlas_db.core.settings import load_settings
from atlas_db.core.terms import MIN_CHARTED_CONFIDENCE
from atlas_db.pipeline.config import options_of
from atlas_db.pipeline.run import PipelineReport
from atlas_db.pipeline.run import run_pipeline as run_flow
from atlas_db.pipeline.sample import demo_options
from atlas_db.store.connect import DEMO
from ingest.weights.chart import chart as chart_prints
from ingest.weights.fingerprints.batch import FingerprintReport, find_models, fingerprint_all
from ingest.weights.fingerprints.executors import cluster
from ingest.weights.fingerprints.parquet import read_prints
from ingest.weights.probes.cka_similarity import Likeness
from ingest.weights.probes.cka_similarity import similar as rank_similar
from ingest.weights.probes.probe_table import beside, probe_all, read_probes
from ingest.weights.samples.resample import Rereader
from ingest.weights.tree.edge import above_threshold

__all__ = ["Atlas", "LineageView", "chart", "connect", "demo", "fingerprint", "run", "similar"]


def connect(store: str | None = None, *, home: str | Path | None = None) -> Atlas:
    """Open an atlas.

    Args:
        store: `local[:DIR]`, `neo4j-local[:DIR]`, `demo`, or a Bolt URL; as `ATLAS_DB_STORE` or `atlas-db.toml` say, by
            default.
        home: Home folder; as set by default.

    Returns:
        The atlas; close it, or use it as a context manager.

    Raises:
        UsageError: The address is no store's.
        StoreError: It cannot be reached or started.

    Example:
        >>> with atlas_db.connect("demo") as opened:
        ...     opened.search("whisper").id[0]
        'openai/whisper-small'
    """
    return Atlas(store, home)


def demo() -> Atlas:
    """Make the packaged atlas where it is not there yet, with everything that `atlas-db demo` does, and open it.

    Example:
        >>> with atlas_db.demo() as packaged:
        ...     packaged.status()["models"]
        371
    """
    settings = load_settings(store=DEMO)
    run_flow(settings, demo_options(settings.home))
    return Atlas(DEMO, None)


def run(**plan: Any) -> PipelineReport:  # noqa: ANN401
    """Load, fingerprint, chart, complete, audit and export; what is done already is kept.

    Args:
        **plan: The words of `atlas-db run`: `hub`, `weights`, `out`, `store`, `as_of`, `attributes`, `precision`,
            `profile`, `models`.

    Raises:
        UsageError: A word is missing or unknown.
        InputError: There is nothing to read.
        StoreError: The store failed; run the same again.

    Example:
        >>> report = atlas_db.run(hub=[lists / "tiny.jsonl"], out=folder / "run", store=f"local:{folder / 'store'}")
        >>> report.stages["load"].counts["rows"], report.stages["chart"].state
        (8, 'skipped')
    """
    settings = load_settings(store=plan.pop("store", None))
    return run_flow(settings, options_of({name: _plain(value) for name, value in plan.items()}))


def fingerprint(
    paths: str | Path | Sequence[str | Path], out: str | Path, *, probe: bool = False, scheduler: str = ""
) -> FingerprintReport:
    """Fingerprint weights: a few KB a model, whatever its size. No pickle is ever opened.

    Args:
        paths: Folders of weights, or repositories of the Hub as owner/name.
        out: Parquet file to write, or to bring up to date.
        probe: Whether the models are run, too (extra `probe`); what they answer goes beside, to `OUT.probes.parquet`.
        scheduler: Address of a Dask cluster whose workers see the same paths; the cores of this machine where empty.

    Returns:
        What was made, kept, and set aside with its reason.

    Raises:
        InputError: A path is not there, or nothing holds weights.
        UsageError: The cluster is not there, or no match; or the extra is not installed.

    Example:
        >>> atlas_db.fingerprint(lists / "weights", folder / "fp.parquet").models
        8
    """
    listed = [paths] if isinstance(paths, str | Path) else paths
    models = find_models([Path(each) for each in listed])
    with cluster(scheduler) as executor:
        report = fingerprint_all(models, Path(out), lambda *_: None, executor=executor)
    if probe:
        require_extra("probe")
        with cluster(scheduler) as executor:
            probe_all(models, beside(Path(out)), lambda *_: None, executor=executor)
    return report


def chart(
    prints: str | Path, *, time: bool = True, refine: bool = True, min_confidence: float = MIN_CHARTED_CONFIDENCE
) -> pd.DataFrame:
    """Say what derives from what, how, and how sure, by the weights alone.

    Args:
        prints: File of fingerprints.
        time: Whether dates count as evidence.
        refine: Whether the weights are read again where they can be read.
        min_confidence: Confidence below which an edge is abstained from.

    Returns:
        Edges: `child`, `parent`, `relation`, `confidence` 0..1, `evidence`.

    Raises:
        InputError: The file cannot be read.

    Example:
        >>> edges = atlas_db.chart(folder / "fp.parquet")
        >>> edges[edges.relation == "merge"].parent.tolist()
        ['atlas-demo/tern-chat', 'atlas-demo/tern-code']
    """
    edges = chart_prints(list(read_prints([Path(prints)])), Rereader() if refine else None, time=time)
    rows = [msgspec.to_builtins(edge) for edge in above_threshold(edges, min_confidence)]
    return pd.DataFrame(rows, columns=["child", "parent", "relation", "confidence", "evidence"])


def similar(model: str, probes: str | Path, *, limit: int = 10) -> pd.DataFrame:
    """Return the models that behave most like one, by what they answered to fixed inputs.

    Args:
        model: Its id.
        probes: File that `fingerprint(..., probe=True)` made.
        limit: Models at most.

    Returns:
        The most alike first: `model`, `kind` of inputs, `likeness` 0..1 (linear centred kernel alignment), `difference`
        of answers, where outputs have the same sides; below 0.01 it is the same function.

    Raises:
        InputError: The file cannot be read, or holds no such model (ModelNotFoundError).

    Example:
        >>> _ = atlas_db.fingerprint(lists / "weights", folder / "fp.parquet", probe=True)
        >>> alike = atlas_db.similar("atlas-demo/tern", folder / "fp.probes.parquet")
        >>> alike.model[0], bool(alike.difference[0] < 0.01)
        ('atlas-demo/heron', True)
    """
    known = list(read_probes([Path(probes)]))
    reference = [item for item in known if item.id == model]
    if not reference:
        raise ModelNotFoundError(f"{model} was not probed", hint="Give fingerprint its folder, and probe=True")
    return pd.DataFrame(rank_similar(reference, known, limit), columns=list(Likeness._fields))


def _plain(value: Any) -> Any:  # noqa: ANN401
    if isinstance(value, Path):
        return str(value)
    return [_plain(each) for each in value] if isinstance(value, list | tuple) else value
