"""The Python interface: open an atlas, query it, chart weights, run the whole pipeline.

>>> import atlas_db
>>> atlas = atlas_db.connect("demo")
>>> atlas
<Atlas demo: 371 models>
>>> atlas.close()
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from atlas_db.api.atlas import Atlas
from atlas_db.api.results import ChartResult, SimilarModels
from atlas_db.core.errors import ModelNotProbedError
from atlas_db.core.extras import require_extra
from atlas_db.core.settings import load_settings
from atlas_db.core.terms import MIN_CHARTED_CONFIDENCE
from atlas_db.pipeline.config import options_of
from atlas_db.pipeline.run import PipelineReport, run_pipeline
from atlas_db.pipeline.sample import demo_options
from atlas_db.store.contents import DEMO
from ingest.weights.chart import chart as chart_fingerprints
from ingest.weights.fingerprints.batch import FingerprintReport, fingerprint_all
from ingest.weights.fingerprints.executors import dask_executor
from ingest.weights.fingerprints.model_files import find_models
from ingest.weights.fingerprints.parquet import read_fingerprints
from ingest.weights.probes.cka_similarity import rank_similar
from ingest.weights.probes.probe_table import probe_all, read_probes, sidecar_path
from ingest.weights.samples.resample import Resampler
from ingest.weights.tree.edge import above_threshold

__all__ = ["Atlas", "chart", "connect", "demo", "fingerprint", "run", "similar"]


def connect(store: str | None = None, *, home: str | Path | None = None) -> Atlas:
    """Open an atlas.

    Args:
        store: `local[:DIR]`, `neo4j-local[:DIR]`, `demo`, or a Bolt URL; by default the value of `ATLAS_DB_STORE`, or
            of `store` in `atlas-db.toml`.
        home: Home folder; by default the value of `ATLAS_DB_HOME`, or of `home` in `atlas-db.toml`.

    Returns:
        The atlas. Use it as a context manager, or close it.

    Raises:
        UsageError: The address is not one of a store.
        StoreError: The store cannot be reached or started.

    Examples:
        >>> with atlas_db.connect("demo") as opened:
        ...     opened.search("whisper").column("id")[0]
        'openai/whisper-small'
    """
    return Atlas(store, home)


def demo() -> Atlas:
    """Build the packaged atlas where it is missing, as `atlas-db demo` does, and open it.

    Examples:
        >>> with atlas_db.demo() as packaged:
        ...     packaged.status().models
        371
    """
    settings = load_settings(store=DEMO)
    run_pipeline(settings, demo_options(settings.home))
    return Atlas(DEMO, None)


def run(
    hub: Sequence[str | Path] | str | Path,
    out: str | Path,
    *,
    weights: Sequence[str | Path] | str | Path = (),
    store: str | None = None,
    as_of: str = "",
    attributes: Sequence[str] | str = (),
    precision: float = 0.95,
    profile: str = "default",
    pages: int = 500,
) -> PipelineReport:
    """Load, fingerprint, chart, complete, audit and export. Stages whose inputs are unchanged are kept.

    Args:
        hub: Hub lists: files and folders.
        out: Folder for results.
        weights: Folders of weights, or repositories as owner/name; without any, nothing is charted.
        store: The store, as for `connect`.
        as_of: Date of the snapshot; by default the newest date in each file.
        attributes: Attributes to complete; all by default.
        precision: Precision of completion.
        profile: Profile of the audit: strict, default or lenient.
        pages: Models with a page of their own in the exported dashboard.

    Raises:
        UsageError: An option is not valid.
        InputError: There is nothing to read.
        StoreError: The store failed; run the same again.

    Examples:
        >>> report = atlas_db.run("models.jsonl", "results", store="local:store")
        >>> report.stages["load"].counts["rows"], report.stages["chart"].state
        (8, 'skipped')
    """
    options = options_of(
        {
            "hub": _as_texts(hub),
            "out": str(out),
            "weights": _as_texts(weights),
            "as_of": as_of,
            "attributes": _as_texts(attributes),
            "precision": precision,
            "profile": profile,
            "pages": pages,
        }
    )
    return run_pipeline(load_settings(store=store), options)


def fingerprint(
    paths: str | Path | Sequence[str | Path], out: str | Path, *, probe: bool = False, scheduler: str = ""
) -> FingerprintReport:
    """Fingerprint weights: a few KB a model, whatever its size. No pickle is opened.

    Args:
        paths: Folders of weights, or repositories of the Hub as owner/name.
        out: Parquet file to write, or to bring up to date.
        probe: True to run the models, too (extra `probe`); their outputs go to `OUT.probes.parquet`.
        scheduler: Address of a Dask cluster whose workers see the same paths; by default this machine's cores are used.

    Returns:
        How many fingerprints were made, kept and failed; each failure with its reason.

    Raises:
        InputError: A path does not exist, or nothing holds weights.
        UsageError: The cluster cannot be reached, or runs other versions; or the extra is not installed.

    Examples:
        >>> atlas_db.fingerprint("models", "fp.parquet").models
        8
    """
    listed = [paths] if isinstance(paths, str | Path) else paths
    models = find_models([Path(each) for each in listed])
    with dask_executor(scheduler) as executor:
        report = fingerprint_all(models, Path(out), lambda *_: None, executor=executor)
    if probe:
        require_extra("probe")
        with dask_executor(scheduler) as executor:
            probe_all(models, sidecar_path(Path(out)), lambda *_: None, executor=executor)
    return report


def chart(
    fingerprints: str | Path,
    *,
    time: bool = True,
    refine: bool = True,
    min_confidence: float = MIN_CHARTED_CONFIDENCE,
) -> ChartResult:
    """Infer the parents of models from the weights alone, with relation, confidence and evidence.

    Args:
        fingerprints: File of fingerprints.
        time: True to use dates as evidence.
        refine: True to read the weights again where they can be read.
        min_confidence: Confidence below which an edge is left out.

    Raises:
        InputError: The file cannot be read.

    Examples:
        >>> edges = atlas_db.chart("fp.parquet").edges
        >>> [edge.parent for edge in edges if edge.relation == "merge"]
        ['atlas-demo/tern-chat', 'atlas-demo/tern-code']
    """
    known = list(read_fingerprints([Path(fingerprints)]))
    edges = chart_fingerprints(known, Resampler() if refine else None, time=time)
    return ChartResult(tuple(above_threshold(edges, min_confidence)))


def similar(model: str, probes: str | Path, *, limit: int = 10) -> SimilarModels:
    """Return the models whose outputs on fixed inputs are the most similar to those of one model.

    Args:
        model: Its id.
        probes: File that `fingerprint(..., probe=True)` wrote.
        limit: Models at most.

    Raises:
        InputError: The file cannot be read.
        ModelNotProbedError: The file holds no forward probe of the model.

    Examples:
        >>> _ = atlas_db.fingerprint("models", "fp.parquet", probe=True)
        >>> nearest = atlas_db.similar("atlas-demo/tern", "fp.probes.parquet").matches[0]
        >>> nearest.model, nearest.difference < 0.01
        ('atlas-demo/heron', True)
    """
    known = list(read_probes([Path(probes)]))
    reference = [item for item in known if item.id == model]
    if not reference:
        raise ModelNotProbedError(model, hint="Give fingerprint its folder, and probe=True")
    return SimilarModels(model, tuple(rank_similar(reference, known, limit)))


def _as_texts(values: Sequence[str | Path] | str | Path) -> list[str]:
    return [str(each) for each in ([values] if isinstance(values, str | Path) else values)]
