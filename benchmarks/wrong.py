"""How well weights catch wrong declarations: `python -m benchmarks.wrong ZOO... [--share 0.1] [--draws 20]`.

Of the true parents of a zoo a share is replaced. Half of it is replaced by a model of another family, half by what some
other model declares, as in a copied card. These declarations are fused with the chart as in the graph. A replaced
parent is caught where its edge is contradicted. Swaps within a family are counted apart: the family is right there.
"""

from __future__ import annotations

import argparse
import random
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from atlas_db.claims.resolve import fuse_claims
from atlas_db.core.records import ChartedModel, LineageClaim
from atlas_db.core.terms import Resolution, Source, Status
from atlas_db.fusion.evidence import encode_evidence
from benchmarks.zoo.score import prints_of, read_truth
from ingest.weights.chart import chart
from ingest.weights.fingerprints.fingerprint import Fingerprint
from ingest.weights.samples.resample import Resampler
from ingest.weights.tree.edge import Edge, above_threshold, family_of

Pair = tuple[str, str]


def main() -> None:
    """Count over all zoos and draws."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.wrong", description=__doc__)
    parser.add_argument("zoos", type=Path, nargs="+")
    parser.add_argument("--share", type=float, default=0.1)
    parser.add_argument("--draws", type=int, default=20)
    options = parser.parse_args()
    counts: Counter[str] = Counter()
    for path in options.zoos:
        truth, prints = read_truth(path / "truth.json"), prints_of(path)
        edges = chart(prints, Resampler())
        for seed in range(options.draws):
            counts += caught(truth, prints, edges, options.share, random.Random(seed))
    for kind in ("another family", "copied card", "within the family"):
        print(f"{kind}: {counts[f'{kind} caught']} of {counts[kind]} caught")
    right = counts["another family caught"] + counts["copied card caught"]
    wanted = counts["another family"] + counts["copied card"]
    print(f"recall {right / wanted:.3f}; precision {right / (right + counts['slandered']):.3f}, "
          f"{counts['slandered']} of {counts['true']} true parents contradicted")  # fmt: skip


def caught(
    truth: Mapping[str, Any], prints: Sequence[Fingerprint], edges: Sequence[Edge], share: float, rng: random.Random
) -> Counter[str]:
    """Return counts of one draw: replaced parents by kind, those caught, true parents, and those contradicted."""
    here = {item.id for item in prints}
    family = {node["id"]: node["family"] for node in truth["nodes"]}
    declared = {(edge["child"], edge["parent"]) for edge in truth["edges"] if {edge["child"], edge["parent"]} <= here}
    true = frozenset(declared)
    replaced: dict[Pair, str] = {}
    chosen = rng.sample(sorted(declared), round(share * len(declared)))
    for place, (child, parent) in enumerate(chosen):
        if place % 2:
            kind, pool = "another family", [model for model in here if family[model] != family[child]]
        else:
            kind, pool = "copied card", [other for _, other in true if other not in (child, parent)]
        wrong = (child, rng.choice(sorted(pool)))
        if wrong in true:
            continue
        if kind == "copied card" and family[wrong[1]] == family[child]:
            kind = "within the family"
        declared = (declared - {(child, parent)}) | {wrong}
        replaced[wrong] = kind
    status = _fused(prints, edges, declared)
    counts: Counter[str] = Counter(replaced.values())
    for pair, kind in replaced.items():
        counts[f"{kind} caught"] += status[pair] is Status.CONTRADICTED
    counts["true"] = len(declared - replaced.keys())
    counts["slandered"] = sum(status[pair] is Status.CONTRADICTED for pair in declared - replaced.keys())
    return counts


def _fused(prints: Sequence[Fingerprint], edges: Sequence[Edge], declared: set[Pair]) -> dict[Pair, Status]:
    inferred = {(edge.child, edge.parent): edge for edge in above_threshold(edges)}
    stated = [_lineage_claim(pair, Source.DECLARED, 1.0, edges[0]) for pair in sorted(declared)]
    stated += [_lineage_claim(pair, Source.INFERRED, edge.confidence, edge) for pair, edge in inferred.items()]
    families = family_of(prints, edges)
    charted = {item.id: ChartedModel(families[item.id], item.weights_hash) for item in prints if families[item.id]}
    return {(edge.child, edge.parent): edge.status for edge in fuse_claims(stated, charted)}


def _lineage_claim(pair: Pair, source: Source, confidence: float, edge: Edge) -> LineageClaim:
    return LineageClaim(
        *pair,
        source,
        edge.relation,
        confidence,
        "",
        pair[1],
        Resolution.EXACT,
        encode_evidence(edge.evidence),
        "",
        "",
        None,
    )


if __name__ == "__main__":
    main()
