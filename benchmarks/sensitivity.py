"""How much a chart changes with each tuned constant: `python -m benchmarks.sensitivity FOLDER...`.

Every constant of `ChartParameters` is set to 4/5 and to 5/4 of its value, one at a time. The models of each folder are
charted again. The share of edges that are gained, lost, or given another relation, is written to
`ingest/weights/parameters/data/sensitivity.json`, which `atlas-db chart --show-parameters` prints.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from atlas_db.core.terms import MIN_CHARTED_CONFIDENCE
from ingest.weights.chart import chart
from ingest.weights.fingerprints.batch import find_models, fingerprint_all
from ingest.weights.fingerprints.fingerprint import Fingerprint
from ingest.weights.fingerprints.parquet import read_fingerprints
from ingest.weights.parameters.chart_parameters import CHART
from ingest.weights.samples.resample import Resampler

OUT = Path(__file__).parent.parent / "ingest" / "weights" / "parameters" / "data" / "sensitivity.json"
FACTORS = (0.8, 1.25)


def numbers(group: object, prefix: str = "") -> Iterator[tuple[str, object, str, int | float]]:
    """Yield name, owner, attribute and value of every constant that is a number."""
    for each in fields(group):  # type: ignore[arg-type]
        value = getattr(group, each.name)
        if is_dataclass(value):
            yield from numbers(value, f"{prefix}{each.name}.")
        elif isinstance(value, int | float) and not isinstance(value, bool):
            yield prefix + each.name, group, each.name, value


def charted(families: list[list[Fingerprint]]) -> set[tuple[str, str, str]]:
    """Return the edges of both kinds of chart, with and without refinement from the weights."""
    found = set()
    for fingerprints in families:
        for read in (Resampler(), None):
            found |= {
                (f"{read is None}:{edge.child}", edge.parent, edge.relation.value)
                for edge in chart(fingerprints, read)
                if edge.confidence >= MIN_CHARTED_CONFIDENCE
            }
    return found


def measured(families: list[list[Fingerprint]]) -> dict[str, tuple[float, ...]]:
    """Return the share of edges that change with each constant."""
    usual = charted(families)
    changed: dict[str, tuple[float, ...]] = {}
    for name, owner, attribute, value in list(numbers(CHART)):
        shares = []
        for factor in FACTORS:
            other: Any = value * factor
            if isinstance(value, int):
                other = max(1, min(value - 1, round(other)) if factor < 1 else max(value + 1, round(other)))
            object.__setattr__(owner, attribute, other)
            try:
                shares.append(round(len(usual ^ charted(families)) / len(usual), 4))
            finally:
                object.__setattr__(owner, attribute, value)
        changed[name] = tuple(shares)
        print(f"{name}: {changed[name]}", flush=True)
    return changed


def main() -> None:
    """Measure and write."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.sensitivity", description=__doc__)
    parser.add_argument("folders", type=Path, nargs="+")
    parser.add_argument("--on", required=True, help="What the folders hold, in words.")
    options = parser.parse_args()
    families = []
    with TemporaryDirectory() as folder:
        for place, path in enumerate(options.folders):
            out = Path(folder) / f"{place}.parquet"
            fingerprint_all(find_models([path]), out, lambda *_: None)
            families.append(list(read_fingerprints([out])))
    OUT.parent.mkdir(exist_ok=True)
    OUT.write_text(json.dumps({"measured_on": options.on, "changed": measured(families)}, indent=1) + "\n")


if __name__ == "__main__":
    main()
