"""`atlas-db chart`: lineage inferred from weights."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path
from statistics import fmean
from typing import TYPE_CHECKING, Annotated, Any

import typer

from atlas_db.cli.common import FormatOption, guarded, home_of, opened, settings_for, shown_progress
from atlas_db.cli.output import Format, print_text, write_json, write_rows
from atlas_db.core.errors import UsageError
from atlas_db.core.terms import MIN_CHARTED_CONFIDENCE, is_origin

if TYPE_CHECKING:
    from ingest.weights.fingerprints.fingerprint import Fingerprint
    from ingest.weights.probes.probe_table import Probe
    from ingest.weights.tree.edge import Edge

HELP = """Infer parent, relation and confidence of each model from fingerprints of weights.

The weights are a source independent of the authors: no declared value is used, except the base that an adapter names
where --trust-declared-base is given. Where the weights themselves can still be read, the best candidates are compared
on more of them (--refine). Otherwise the fingerprints alone decide, with lower confidence. Probe answers (fingerprint
--probe) are read from the file next to the fingerprints.

The chart abstains where the best parent is more probably wrong than right. --min-confidence 0 keeps every edge.
--families lists the family of every model, and the candidate parents of those without an edge.

With --store, the edges go into the graph as inferred claims and are fused with the declared ones. A base that an
adapter's configuration names is a declared claim, which verifies nothing. With --existing, new
models join models that were charted before: only the families that they belong to are charted again.

Examples:

  atlas-db chart fp.parquet --out edges.jsonl

  atlas-db chart fp.parquet --no-time --format json

  atlas-db chart fp.parquet --min-confidence 0.9 --families families.jsonl

  atlas-db chart fp.parquet --store local

  atlas-db chart new.parquet --existing fp.parquet --store local

  atlas-db chart --show-parameters
"""


@guarded
def chart(
    fingerprints: Annotated[
        list[Path] | None, typer.Argument(help="Files of fingerprints.", show_default=False)
    ] = None,
    out: Annotated[Path | None, typer.Option("--out", help="Write edges as JSON lines.")] = None,
    time: Annotated[bool, typer.Option("--time/--no-time", help="Use dates as evidence.")] = True,
    refine: Annotated[
        bool, typer.Option("--refine/--no-refine", help="Read the weights again where they can be read.")
    ] = True,
    existing: Annotated[
        list[Path] | None,
        typer.Option(
            "--existing", help="Fingerprints charted before; only families with new models are charted again."
        ),
    ] = None,
    trust_declared_base: Annotated[
        bool, typer.Option("--trust-declared-base", help="Use the base that an adapter names.")
    ] = False,
    min_confidence: Annotated[
        float, typer.Option("--min-confidence", min=0, max=1, help="Abstain below this confidence.")
    ] = MIN_CHARTED_CONFIDENCE,
    families: Annotated[
        Path | None, typer.Option("--families", help="Write the family of every model as JSON lines.")
    ] = None,
    store: Annotated[
        str | None, typer.Option("--store", help="Write into this store as inferred claims.", show_default=False)
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Change no store; print what would change.")] = False,
    show_parameters: Annotated[
        bool, typer.Option("--show-parameters", help="List every tuned constant with unit, origin and sensitivity.")
    ] = False,
    form: FormatOption = Format.HUMAN,
) -> None:
    """Chart lineage."""
    from ingest.weights.chart import chart as chart_all
    from ingest.weights.samples.resample import Resampler
    from ingest.weights.tree.edge import above_threshold, family_assignments, write_lines

    if show_parameters:
        _show_parameters(form)
        return
    if dry_run and store is None:
        raise UsageError(
            "--dry-run concerns a store", hint="Add --store, or leave it out: without one nothing is changed"
        )
    known, probes = _read_inputs(fingerprints or [], existing or [])
    read = Resampler() if refine else None
    with shown_progress() as progress:
        edges = chart_all(known, read, time=time, declared=trust_declared_base, probes=probes, progress=progress)
    kept = above_threshold(edges, min_confidence)
    if out is not None:
        write_lines(kept, out)
    if families is not None:
        write_lines(family_assignments(known, edges, min_confidence), families)
    counts: dict[str, Any] = {}
    if store is not None:
        counts = _write(store, known, edges, probes, min_confidence, dry_run)
    uncertain = len({edge.child for edge in edges} - {edge.child for edge in kept})
    _show(kept, len(known), (uncertain, min_confidence), counts, form)


def _show_parameters(form: Format) -> None:
    from ingest.weights.parameters.chart_parameters import ShownParameter, shown_parameters

    write_rows(ShownParameter._fields, [each._asdict() for each in shown_parameters()], form)


def _write(
    store: str, known: list[Fingerprint], edges: list[Edge], probes: list[Probe], min_confidence: float, dry_run: bool
) -> dict[str, Any]:
    from ingest.weights.write_inferred import write_chart

    settings = settings_for(store)
    with opened(settings) as graph:
        home = home_of(settings)
        return write_chart(graph, home, known, edges, min_confidence=min_confidence, probes=probes, dry_run=dry_run)


def _read_inputs(fingerprints: list[Path], existing: list[Path]) -> tuple[list[Fingerprint], list[Probe]]:
    """Return the fingerprints to chart and their probes; with existing ones, only the families of new models."""
    if not fingerprints:
        raise UsageError(
            "chart needs a file of fingerprints", hint="Make one: atlas-db fingerprint FOLDER --out fp.parquet"
        )
    from ingest.weights.fingerprints.parquet import read_fingerprints
    from ingest.weights.probes.probe_table import read_probes, sidecar_path
    from ingest.weights.samples.model_families import affected_families
    from ingest.weights.tree.behavioural_edges import functional_partners

    new = {item.id: item for item in read_fingerprints(fingerprints)}
    known = list(({item.id: item for item in read_fingerprints(existing)} | new).values())
    probes = list(read_probes(file for path in (*existing, *fingerprints) if (file := sidecar_path(path)).is_file()))
    if existing:
        known = affected_families(known, new.keys() | functional_partners(probes, new.keys()))
    return known, probes


def _show(edges: list[Edge], models: int, abstained: tuple[int, float], counts: dict[str, Any], form: Format) -> None:
    columns = ("child", "parent", "relation", "confidence", "evidence")
    rows = [{name: getattr(edge, name) for name in columns} for edge in edges]
    if form is not Format.HUMAN:
        if form is Format.JSON and counts:
            write_json({"edges": rows, "store": counts})
            return
        write_rows(columns, rows, form)
        return
    from atlas_db.cli.chart_trees import print_trees
    from ingest.weights.tree.edge import found_by

    named = {edge.child for edge in edges if not is_origin(edge.parent) and not is_origin(edge.child)}
    origins = {edge.parent for edge in edges if is_origin(edge.parent)}
    siblings = {edge.child for edge in edges if edge.parent in origins} - named
    uncertain, least = abstained
    none = models - len(named | siblings) - uncertain
    print_text(f"{models:,} models, {len(edges):,} edges; {none:,} models with no parent here")
    if origins:
        print_text(f"{len(siblings):,} models come from {len(origins):,} common origins that are not here")
    if uncertain:
        print_text(f"{uncertain:,} models with one of confidence below {least:g}: --families lists the candidates")
    kinds: dict[tuple[str, str], list[float]] = defaultdict(list)
    for edge in edges:
        kinds[edge.relation.value, found_by(edge.evidence)].append(edge.confidence)
    write_rows(
        ("relation", "found by", "edges", "mean confidence"),
        [
            {
                "relation": relation,
                "found by": test,
                "edges": len(confidences),
                "mean confidence": round(fmean(confidences), 3),
            }
            for (relation, test), confidences in sorted(kinds.items(), key=lambda item: -len(item[1]))
        ],
        form,
    )
    print_trees(edges)
    for name, value in counts.items():
        print_text(f"{name}: {value}")
