"""What probing finds, on zoos of known lineage: `python -m benchmarks.probes ZOO...` (see benchmarks/zoo).

For every pair of probed models of one zoo it prints how similar their outputs are, by their true relation. Then how
many pairs of the same function are found, how many others pass for such, and what probes change in the chart.
"""

from __future__ import annotations

import argparse
from collections import defaultdict
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np

from atlas_db.fusion.evidence import SameOutputsEvidence
from benchmarks.zoo.score import prints_of, read_truth, score
from ingest.weights.chart import chart
from ingest.weights.fingerprints.model_files import find_models
from ingest.weights.parameters.probe_parameters import PROBE
from ingest.weights.probes.cka_similarity import output_difference
from ingest.weights.probes.probe_table import Probe, probe_all, read_probes, sidecar_path
from ingest.weights.samples.resample import Resampler

SAME_FUNCTION = frozenset({"duplicate", "permuted", "cast"})
"""Kinds whose answers are their parent's, but for rounding."""


def main() -> None:
    """Print similarity by kind of pair, then the chart with probes and without."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.probes", description=__doc__)
    parser.add_argument("zoos", type=Path, nargs="+")
    options = parser.parse_args()
    similarities: dict[str, list[tuple[float, float]]] = defaultdict(list)
    for zoo in options.zoos:
        truth, prints = read_truth(zoo / "truth.json"), prints_of(zoo)
        report = probe_all(find_models([zoo]), sidecar_path(zoo / "fp.parquet"), lambda *_: None)
        probes = list(read_probes([sidecar_path(zoo / "fp.parquet")]))
        print(f"{zoo.name}: {report.made + report.kept} models probed, {len(report.skipped)} not run")
        for left, right in combinations(sorted(probes, key=lambda item: item.id), 2):
            apart = output_difference(left, right)
            if apart is not None:
                similarities[_bond(truth, left, right)].append((float(left.gram @ right.gram), apart))
        same = {item.id: item.weights_hash for item in prints}
        for title, given in (("without", []), ("with", probes)):
            found = chart(list(prints), Resampler(), probes=given)
            result = score(found, truth, same, prints)
            joined = sum(isinstance(edge.evidence, SameOutputsEvidence) for edge in found)
            print(f"  chart {title:8s} probes: typed F1 {result.f1:.3f}, {joined} edges by equal outputs alone")
    limit = PROBE.max_equal_difference
    print(f"\n{'pairs':32s} {'number':>7s} {'similarity, median [5 %, 95 %]':>30s}   same outputs (below {limit})")
    for bond, values in sorted(similarities.items(), key=lambda item: -float(np.median([v for v, _ in item[1]]))):
        near, apart = np.array(values).T
        low, middle, high = np.quantile(near, (0.05, 0.5, 0.95))
        span = f"{middle:.3f} [{low:.3f}, {high:.3f}]"
        print(f"{bond:32s} {len(values):7d} {span:>30s}   {int((apart < limit).sum())}")


def _bond(truth: dict[str, Any], left: Probe, right: Probe) -> str:
    nodes = {node["id"]: node for node in truth["nodes"]}
    kinds = {(edge["child"], edge["parent"]): edge["kind"] for edge in truth["edges"]}
    for pair in ((left.id, right.id), (right.id, left.id)):
        if pair in kinds:
            kind = kinds[pair]
            return "copy: same function" if kind in SAME_FUNCTION else f"child by {kind.split('_')[0]}"
    if nodes[left.id]["family"] == nodes[right.id]["family"]:
        return "further relatives"
    return "strangers"


if __name__ == "__main__":
    main()
