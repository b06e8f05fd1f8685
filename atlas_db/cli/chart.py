"""`atlas-db chart`: what comes from what, by the weights."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path
from statistics import fmean
from typing import TYPE_CHECKING, Annotated, Any

import typer

from atlas_db.cli.common import FormatOption, guarded, home_of, opened, settings_for, shown_progress
from atlas_db.cli.output import Format, say, write_json, write_rows
from atlas_db.core.errors import UsageError
from atlas_db.core.terms import MIN_CHARTED_CONFIDENCE

if TYPE_CHECKING:
    from ingest.weights.fingerprints.fingerprint import Fingerprint
    from ingest.weights.probes.probe_table import Probe
    from ingest.weights.tree.edge import Edge

HELP = """Say what derives from what, how, and how sure, from fingerprints of weights.

The weights are an independent witness: nothing that an author declared is used, but where an adapter names its base and
--declared is given. Where the weights themselves are still in reach, finalists are read again; otherwise the
fingerprints speak alone, with less confidence. What models answered (fingerprint --probe) is read from beside the
fingerprints.

Where the likeliest parent is likelier wrong than right, the chart abstains: --min-confidence 0 guesses everywhere, and
--families says of every model which family it is of, and who may be its parent where that is abstained from.

With --store, the edges go into the graph as inferred testimony and are fused with what is declared there. With
--against, new models join an atlas of weights: the families that they come into are charted anew, all others stay as
they are.

Examples:

  atlas-db chart fp.parquet --out edges.jsonl

  atlas-db chart fp.parquet --no-time --format json

  atlas-db chart fp.parquet --min-confidence 0.9 --families families.jsonl

  atlas-db chart fp.parquet --store local

  atlas-db chart new.parquet --against fp.parquet --store local
"""


@guarded
def chart(
    prints: Annotated[list[Path], typer.Argument(help="Files of fingerprints.", show_default=False)],
    out: Annotated[Path | None, typer.Option("--out", help="Write edges as JSON lines.")] = None,
    time: Annotated[bool, typer.Option("--time/--no-time", help="Use dates as evidence.")] = True,
    weights: Annotated[
        bool, typer.Option("--weights/--no-weights", help="Look at the weights again where they are in reach.")
    ] = True,
    against: Annotated[
        list[Path] | None,
        typer.Option("--against", help="Fingerprints charted before: only families that the new models come into are."),
    ] = None,
    declared: Annotated[bool, typer.Option("--declared", help="Believe the base that an adapter names.")] = False,
    min_confidence: Annotated[
        float, typer.Option("--min-confidence", min=0, max=1, help="Abstain below this confidence.")
    ] = MIN_CHARTED_CONFIDENCE,
    families: Annotated[
        Path | None, typer.Option("--families", help="Write the family of every model as JSON lines.")
    ] = None,
    store: Annotated[
        str | None, typer.Option("--store", help="Write into this store as inferred testimony.", show_default=False)
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Change no store; say what would change.")] = False,
    form: FormatOption = Format.HUMAN,
) -> None:
    """Chart lineage."""
    from ingest.weights.chart import chart as chart_prints
    from ingest.weights.samples.resample import Rereader
    from ingest.weights.tree.edge import above_threshold, family_assignments, write_lines

    if dry_run and store is None:
        raise UsageError(
            "--dry-run is about a store", hint="Add --store, or leave it out: without one nothing is changed"
        )
    known, probes = _gathered(prints, against or [])
    read = Rereader() if weights else None
    with shown_progress() as progress:
        edges = chart_prints(known, read, time=time, declared=declared, probes=probes, progress=progress)
    sure = above_threshold(edges, min_confidence)
    if out is not None:
        write_lines(sure, out)
    if families is not None:
        write_lines(family_assignments(known, edges, min_confidence), families)
    counts: dict[str, Any] = {}
    if store is not None:
        from ingest.weights.write_inferred import write_chart

        settings = settings_for(store)
        with opened(settings) as graph:
            home = home_of(settings)
            counts = write_chart(
                graph, home, known, edges, min_confidence=min_confidence, probes=probes, dry_run=dry_run
            )
    unsure = len({edge.child for edge in edges} - {edge.child for edge in sure})
    _show(sure, len(known), (unsure, min_confidence), counts, form)


def _gathered(prints: list[Path], against: list[Path]) -> tuple[list[Fingerprint], list[Probe]]:
    """Read what is to be charted, and what some of it answered: of an atlas, the families that new models come into."""
    from ingest.weights.fingerprints.parquet import read_prints
    from ingest.weights.probes.probe_table import beside, read_probes
    from ingest.weights.samples.clustering import around
    from ingest.weights.tree.behavioural_edges import functional_partners

    new = {item.id: item for item in read_prints(prints)}
    known = list(({item.id: item for item in read_prints(against)} | new).values())
    probes = list(read_probes(file for path in (*against, *prints) if (file := beside(path)).is_file()))
    if against:
        known = around(known, new.keys() | functional_partners(probes, new.keys()))
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
    from ingest.weights.tree.edge import found_by

    children = {edge.child for edge in edges}
    unsure, least = abstained
    none = models - len(children) - unsure
    say(f"{models:,} models, {len(edges):,} edges; {none:,} models with no parent here")
    if unsure:
        say(f"{unsure:,} models with one of confidence below {least:g}: --families names who it may be")
    kinds: dict[tuple[str, str], list[float]] = defaultdict(list)
    for edge in edges:
        kinds[edge.relation.value, found_by(edge.evidence)].append(edge.confidence)
    write_rows(
        ("relation", "found by", "edges", "mean confidence"),
        [
            {"relation": relation, "found by": test, "edges": len(sure), "mean confidence": round(fmean(sure), 3)}
            for (relation, test), sure in sorted(kinds.items(), key=lambda item: -len(item[1]))
        ],
        form,
    )
    for name, value in counts.items():
        say(f"{name}: {value}")
