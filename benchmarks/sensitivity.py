"""How much a chart changes with each tuned constant: `python -m benchmarks.sensitivity FOLDER...`.

Every constant of `ChartParameters` is set to 4/5 and to 5/4 of its value, one at a time. The models of each folder are
charted again from the same fingerprints. The share of edges that are gained, lost, or given another relation, is
written to `ingest/weights/parameters/data/sensitivity.json`, which `atlas-db chart --show-parameters` prints. Constants
that count only where weights are read again are measured on charts with and without that (`OF_WEIGHTS`). Constants that
`--only` names are measured, all others keep what the file says; so the benchmark can go on where it was cut off.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator, Sequence
from concurrent.futures import as_completed
from dataclasses import fields, is_dataclass
from functools import cache
from pathlib import Path
from typing import Any

from atlas_db.core.files import write_whole
from atlas_db.core.terms import MIN_CHARTED_CONFIDENCE
from benchmarks.zoo.score import prints_of
from ingest.weights.chart import chart
from ingest.weights.fingerprints.executors import local_executor
from ingest.weights.fingerprints.fingerprint import Fingerprint
from ingest.weights.parameters.chart_parameters import CHART
from ingest.weights.samples.resample import Resampler

OUT = Path(__file__).parent.parent / "ingest" / "weights" / "parameters" / "data" / "sensitivity.json"
FACTORS = (0.8, 1.25)
OF_WEIGHTS = (
    "sample.detail", "sample.max_permuted", "sample.min_match", "sample.min_agreeing", "sample.max_alignment",
    "sample.match_columns", "adapter.", "confidence.declared_base",
)  # fmt: skip
"""Beginnings of constants that count only where weights are read again."""
Edges = set[tuple[str, str, str]]


def numbers(group: object, prefix: str = "") -> Iterator[tuple[str, object, str, int | float]]:
    """Yield name, owner, attribute and value of every constant that is a number."""
    for each in fields(group):  # type: ignore[arg-type]
        value = getattr(group, each.name)
        if is_dataclass(value):
            yield from numbers(value, f"{prefix}{each.name}.")
        elif isinstance(value, int | float) and not isinstance(value, bool):
            yield prefix + each.name, group, each.name, value


@cache
def fingerprints(folder: Path) -> list[Fingerprint]:
    """Return the fingerprints of a folder, taken with all constants as they are."""
    return prints_of(folder)


def charted(folders: Sequence[Path], *, weights: bool) -> Edges:
    """Return the edges of charts from fingerprints alone and, where wanted, of charts with weights read again."""
    return {
        (f"{read is None}:{edge.child}", edge.parent, edge.relation.value)
        for folder in folders
        for read in ((Resampler(), None) if weights else (None,))
        for edge in chart(fingerprints(folder), read)
        if edge.confidence >= MIN_CHARTED_CONFIDENCE
    }


@cache
def usual(folders: tuple[Path, ...], weights: bool) -> Edges:
    """Return `charted` with all constants as they are."""
    return charted(folders, weights=weights)


def changed_by(name: str, folders: tuple[Path, ...]) -> tuple[float, ...]:
    """Return the share of edges that change with a constant, at each of `FACTORS`."""
    owner, attribute, value = next(each[1:] for each in numbers(CHART) if each[0] == name)
    weights = name.startswith(OF_WEIGHTS)
    before = usual(folders, weights)
    shares = []
    for factor in FACTORS:
        other: Any = value * factor
        if isinstance(value, int):
            other = max(1, min(value - 1, round(other)) if factor < 1 else max(value + 1, round(other)))
        object.__setattr__(owner, attribute, other)
        try:
            shares.append(round(len(before ^ charted(folders, weights=weights)) / len(before), 4))
        finally:
            object.__setattr__(owner, attribute, value)
    return tuple(shares)


def main() -> None:
    """Measure and write."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.sensitivity", description=__doc__)
    parser.add_argument("folders", type=Path, nargs="+")
    parser.add_argument("--on", required=True, help="What the folders hold, in words.")
    parser.add_argument("--only", nargs="*", help="Beginnings of the constants to measure; all by default.")
    options = parser.parse_args()
    names = [name for name, *_ in numbers(CHART)]
    chosen = [name for name in names if options.only is None or name.startswith(tuple(options.only))]
    known: dict[str, Any] = json.loads(OUT.read_text())["changed"] if options.only is not None else {}
    for folder in options.folders:
        prints_of(folder)
    with local_executor(many=True) as pool:
        work = {pool.submit(changed_by, name, tuple(options.folders)): name for name in chosen}
        for future in as_completed(work):
            known[work[future]] = future.result()
            print(f"{work[future]}: {known[work[future]]}", flush=True)
            changed = {name: known[name] for name in names if name in known}
            write_whole(OUT, json.dumps({"measured_on": options.on, "changed": changed}, indent=1).encode() + b"\n")


if __name__ == "__main__":
    main()
