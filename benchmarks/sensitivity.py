"""How much a chart changes with each tuned constant: `python -m benchmarks.sensitivity FOLDER...`.

Every constant of `ChartParameters` is set to 4/5 and to 5/4 of its value. Those that change nothing together count as
changing nothing; the others are set one at a time. The models of each folder are charted again from the same
fingerprints. `--kinds` charts a few of them, which are enough for most constants. The share of edges that are gained,
lost, or given another relation, is written to `ingest/weights/parameters/data/sensitivity.json`, which `atlas-db chart
--show-parameters` prints.

Constants that count only where weights are read again are measured on charts that do so (`OF_WEIGHTS`). Those of fusion
change no chart, but what is written of it: edges and their status are compared where every child declares its parents,
and one in ten another model.

Constants that `--only` names are measured, all others keep what the file says. With `--missing` the benchmark goes on
where it was cut off. Constants that only bound the work are not measured.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields, is_dataclass
from functools import cache
from pathlib import Path

import msgspec

from atlas_db.claims.resolve import fuse_claims
from atlas_db.core.files import write_whole
from atlas_db.core.records import ChartedModel, LineageClaim
from atlas_db.core.terms import MIN_CHARTED_CONFIDENCE, Relation, Resolution, Source
from atlas_db.fusion.evidence import DuplicateEvidence, encode_evidence
from benchmarks.scaling import one_family
from benchmarks.zoo.score import prints_of, read_truth
from ingest.weights.chart import chart
from ingest.weights.fingerprints.fingerprint import Fingerprint
from ingest.weights.parameters.chart_parameters import (
    CHART,
    Change,
    Sensitivity,
    bounds_work,
    chart_parameters,
    sensitivity,
)
from ingest.weights.samples.resample import Resampler
from ingest.weights.tree.edge import Edge, above_threshold, family_of

OUT = Path(__file__).parent.parent / "ingest" / "weights" / "parameters" / "data" / "sensitivity.json"
FACTORS = (0.8, 1.25)
OF_WEIGHTS = (
    "sample.detail", "sample.max_permuted", "sample.min_match", "sample.min_agreeing", "sample.max_alignment",
    "sample.match_columns", "sample.layer_positions", "sample.max_stacked_models", "sample.min_joined_share",
    "merge.elements.", "merge.tensor_weights.", "adapter.", "confidence.declared_base",
)  # fmt: skip
"""Beginnings of constants that count only where weights are read again."""
OF_FUSION = "fusion."
Edges = set[tuple[str, str, str]]
Value = int | float | tuple[float, ...]
"""Value of a constant."""


def numbers(group: object, prefix: str = "") -> Iterator[tuple[str, object, str, Value]]:
    """Yield name, owner, attribute and value of every constant that is a number, or some numbers."""
    for each in fields(group):  # type: ignore[arg-type]
        value = getattr(group, each.name)
        if is_dataclass(value):
            yield from numbers(value, f"{prefix}{each.name}.")
        elif isinstance(value, int | float | tuple) and not isinstance(value, bool):
            yield prefix + each.name, group, each.name, value


@dataclass(frozen=True, slots=True)
class Family:
    """Models that are charted again with each constant.

    Attributes:
        folder: Their folder, with `truth.json` where kinds are chosen.
        kinds: Of each kind that begins so, the first model by its id belongs, with all that it comes from. Of an empty
            tuple all models do.
        models: Number of models of a made-up family, in place of a folder; 0 for none.
    """

    folder: Path = Path()
    kinds: tuple[str, ...] = ()
    models: int = 0


@cache
def fingerprints(family: Family) -> list[Fingerprint]:
    """Return the fingerprints of a family, taken with all constants as they are."""
    if family.models:
        return one_family(family.models)[0]
    found = prints_of(family.folder)
    if not family.kinds:
        return found
    edges = read_truth(family.folder / "truth.json")["edges"]
    chosen: dict[str, str] = {}
    for edge in sorted(edges, key=lambda each: each["child"]):
        if edge["kind"].startswith(family.kinds):
            chosen.setdefault(edge["kind"], edge["child"])
    wanted, more = set[str](), set(chosen.values())
    while more:
        wanted |= more
        more = {edge["parent"] for edge in edges if edge["child"] in more} - wanted
    return [each for each in found if each.id in wanted]


def charted(families: Sequence[Family], *, weights: bool) -> Edges:
    """Return the edges of charts from fingerprints alone, or with weights read again."""
    return {
        (edge.child, edge.parent, edge.relation.value)
        for family in families
        for edge in chart(fingerprints(family), Resampler() if weights else None)
        if edge.confidence >= MIN_CHARTED_CONFIDENCE
    }


@cache
def usual(families: tuple[Family, ...], fusion: bool, weights: bool) -> Edges:
    """Return `fused` or `charted` with all constants as they are."""
    return fused(families) if fusion else charted(families, weights=weights)


@cache
def inferred(family: Family) -> tuple[list[LineageClaim], dict[str, ChartedModel]]:
    """Return the chart of a family as claims, and family and content of each model."""
    prints = fingerprints(family)
    edges = chart(prints, Resampler())
    families = family_of(prints, edges)
    return (
        [claim(edge, Source.INFERRED) for edge in above_threshold(edges, MIN_CHARTED_CONFIDENCE)],
        {item.id: ChartedModel(families[item.id], item.weights_hash) for item in prints},
    )


def claim(edge: Edge, source: Source) -> LineageClaim:
    """Return an edge as a claim of a source."""
    return LineageClaim(
        edge.child, edge.parent, source, edge.relation, edge.confidence, "", edge.parent, Resolution.EXACT,
        encode_evidence(edge.evidence) if source is Source.INFERRED else "", "", "", None,
    )  # fmt: skip


def declared(family: Family) -> list[LineageClaim]:
    """Return the parents that the truth names, of every tenth child the model after it by id in their place."""
    ids = sorted(item.id for item in fingerprints(family))
    found = []
    for edge in read_truth(family.folder / "truth.json")["edges"]:
        place = ids.index(edge["child"]) if edge["child"] in ids else -1
        parent = ids[place - 1] if place % 10 == 9 else edge["parent"]
        if place >= 0 and parent in ids:
            stated = Edge(edge["child"], parent, Relation(edge["relation"]), 1.0, DuplicateEvidence(alternatives={}))
            found.append(claim(stated, Source.DECLARED))
    return found


def fused(families: Sequence[Family]) -> Edges:
    """Return the edges of charts fused with declared parents, each with its relation and status."""
    return {
        (edge.child, edge.parent, f"{edge.relation} {edge.status}")
        for family in families
        for edge in fuse_claims([*declared(family), *inferred(family)[0]], inferred(family)[1])
    }


def edges_with(names: Sequence[str], families: Sequence[Family]) -> Edges:
    """Return the edges that constants may change: fused ones for those of fusion, else charted ones."""
    if names[0].startswith(OF_FUSION):
        return fused(families)
    return charted(families, weights=any(name.startswith(OF_WEIGHTS) for name in names))


def share_changed(names: Sequence[str], factor: float, families: tuple[Family, ...]) -> float:
    """Return the share of edges that change where constants are multiplied by a factor, all at once."""
    before = usual(families, names[0].startswith(OF_FUSION), any(name.startswith(OF_WEIGHTS) for name in names))
    changed = [each[1:] for each in numbers(CHART) if each[0] in set(names)]
    for owner, attribute, value in changed:
        object.__setattr__(owner, attribute, other_value(value, factor))
    try:
        return round(len(before ^ edges_with(names, families)) / len(before), 4)
    finally:
        for owner, attribute, value in changed:
            object.__setattr__(owner, attribute, value)


def shares_changed(names: Sequence[str], factor: float, families: tuple[Family, ...]) -> Iterator[tuple[str, float]]:
    """Yield each constant with the share of edges that change with it alone.

    Most constants change nothing. So they are changed together first, and each half by itself where that has an effect.
    """
    if not names:
        return
    share = share_changed(names, factor, families)
    if share == 0 or len(names) == 1:
        yield from ((name, share) for name in names)
        return
    for half in (names[: len(names) // 2], names[len(names) // 2 :]):
        yield from shares_changed(half, factor, families)


def other_value(value: Value, factor: float) -> Value:
    """Return a value times a factor: whole numbers change by one at least and stay above 0, lists by each element."""
    if isinstance(value, tuple):
        return tuple(each * factor for each in value)
    if isinstance(value, int):
        return max(1, min(value - 1, round(value * factor)) if factor < 1 else max(value + 1, round(value * factor)))
    return value * factor


def main() -> None:
    """Measure and write."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.sensitivity", description=__doc__)
    parser.add_argument("folders", type=Path, nargs="*")
    parser.add_argument("--one-family", type=int, help="Chart a made-up family of so many models, in place of folders.")
    parser.add_argument("--on", required=True, help="What the folders hold, in words.")
    parser.add_argument("--only", nargs="*", help="Beginnings of the constants to measure; all by default.")
    parser.add_argument("--kinds", nargs="*", default=[], help="Beginnings of kinds: the first model of each is taken.")
    parser.add_argument("--missing", action="store_true", help="Measure what was not measured before.")
    options = parser.parse_args()
    every = [name for name, *_ in numbers(CHART)]
    known = dict(sensitivity().changed) if options.only is not None or options.missing else {}
    chosen = [
        name
        for name in every
        if (options.only is None or name.startswith(tuple(options.only))) and not (options.missing and name in known)
    ]
    bounds = {each.name for each in chart_parameters() if bounds_work(each)}
    families = tuple(Family(folder, tuple(options.kinds)) for folder in options.folders)
    families += (Family(models=options.one_family),) if options.one_family else ()
    print(f"{sum(len(fingerprints(each)) for each in families)} models", flush=True)
    found: dict[str, list[float]] = {}
    for factor in FACTORS:
        measured = [name for name in chosen if name not in bounds]
        for names in ([n for n in measured if n.startswith(OF_FUSION) is is_fusion] for is_fusion in (False, True)):
            for name, share in shares_changed(names, factor, families):
                found.setdefault(name, []).append(share)
                print(f"{name} at {factor} of its value: {share}", flush=True)
    known |= {name: Change(smaller, larger, options.on) for name, (smaller, larger) in found.items()}
    changed = {name: known[name] for name in every if name in known}
    write_whole(OUT, msgspec.json.format(msgspec.json.encode(Sensitivity(changed)), indent=1) + b"\n")


if __name__ == "__main__":
    main()
