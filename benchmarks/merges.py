"""How well merges are found, on zoos of known lineage: `python -m benchmarks.merges ZOO...`.

Of each merge: whether exactly its parents are named, and how far their weights are off. Then the same of each as
integers or GGUF, the merge itself and all that was made of it left out. The base of a merge, which it need not be given
from, does not count; a parent's exact copy counts as it. And of one trained model in four, quantized likewise and
itself left out, whether it passes for a merge.
"""

from __future__ import annotations

import argparse
import random
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from safetensors.torch import load_file

from atlas_db.core.terms import Relation
from atlas_db.fusion.evidence import MergeEvidence
from benchmarks.zoo import folders
from benchmarks.zoo.make import GGUF_KINDS
from benchmarks.zoo.nets import shape_of
from benchmarks.zoo.score import prints_of, read_truth, share_of
from ingest.formats.open_model import open_model
from ingest.weights.chart import chart
from ingest.weights.fingerprints.fingerprint import Fingerprint, compute_fingerprint
from ingest.weights.samples.model_families import affected_families
from ingest.weights.samples.resample import Resampler
from ingest.weights.tree.edge import Edge
from ingest.weights.tree.exact_relations import find_copies, find_merges
from ingest.weights.tree.family_state import load_samples, run_pair_tests

NEAR = 0.03
"""How far a weight may be off."""
TRAINED, SHARE = ("finetune", "continued", "lora_merged"), 0.25
"""Kinds that are no merges, and the share of them that is looked at."""


class MergeCounts:
    """What was found of the merges of some zoos.

    Attributes:
        exact: By method, merges whose parents are exactly named, and all.
        quantized: The same, where the merge was quantized afterwards.
        taken: Quantized models that pass for merges and are none, and all.
        off: How far weights are from the true ones.
    """

    def __init__(self) -> None:
        self.exact: dict[str, list[int]] = defaultdict(lambda: [0, 0])
        self.quantized: dict[str, list[int]] = defaultdict(lambda: [0, 0])
        self.taken = [0, 0]
        self.off: list[float] = []

    def add(self, prints: Sequence[Fingerprint], truth: Mapping[str, Any], *, time: bool) -> None:
        """Chart a zoo, and look at its merges; then, for each quantized merge, what is left without the merge."""
        content, read = {item.id: item.weights_hash for item in prints}, Resampler()
        parents: dict[str, dict[str, float | None]] = defaultdict(dict)
        kinds: dict[str, str] = {}
        for edge in truth["edges"]:
            if edge["relation"] == Relation.MERGE and {edge["child"], edge["parent"]} <= content.keys():
                kinds[edge["child"]] = edge["kind"]
                if not edge["optional"]:
                    parents[edge["child"]][content[edge["parent"]]] = edge["weight"]
        edges = chart(list(prints), read, time=time)
        for child, true in parents.items():
            found = _named(edges, child, content)
            _count(self.exact[kinds[child]], found.keys() == true.keys())
            if found.keys() == true.keys():
                self.off += [abs(found[parent] - weight) for parent, weight in true.items() if weight is not None]
        made = {node["id"]: node["kind"] for node in truth["nodes"]}
        with TemporaryDirectory() as folder:
            for item in prints:
                trained = made[item.id] in TRAINED and random.Random(item.id).random() < SHARE
                if not trained and item.id not in parents:
                    continue
                gone = {content[name] for name in _below(item.id, truth) & content.keys()}
                copy = quantized(item, Path(folder) / item.weights_hash)
                rest = [*(other for other in prints if other.weights_hash not in gone and not other.adapter), copy]
                found = _merged(affected_families(rest, {copy.id}), copy.id, read, content, time=time)
                if trained:
                    _count(self.taken, bool(found))
                else:
                    _count(self.quantized[kinds[item.id]], found == parents[item.id].keys())

    def show(self, name: str) -> None:
        """Print what was found."""
        print(f"\n{name}")
        for what, table in (("parents exact", self.exact), ("quantized afterwards", self.quantized)):
            kinds = ", ".join(f"{kind.removeprefix('merge_')} {a}/{b}" for kind, (a, b) in sorted(table.items()))
            print(f"  {what}: {kinds}; {share_of(*np.sum(list(table.values()) or [[0, 0]], 0).tolist())}")
        print(f"  trained and quantized, taken for a merge: {self.taken[0]} of {self.taken[1]}")
        off = np.array(self.off or [0.0])
        print(
            f"  weights within {NEAR}: {int((off <= NEAR).sum())} of {len(self.off)} ({(off <= NEAR).mean():.2f}), "
            f"median {np.median(off):.4f} off, at most {off.max():.4f}"
        )


def main() -> None:
    """Look at the merges of every zoo, with dates and without."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.merges", description=__doc__)
    parser.add_argument("zoos", type=Path, nargs="+")
    options = parser.parse_args()
    for name, time in (("with dates", True), ("without dates", False)):
        found = MergeCounts()
        for path in options.zoos:
            found.add(prints_of(path), read_truth(path / "truth.json"), time=time)
        found.show(name)


def quantized(item: Fingerprint, folder: Path) -> Fingerprint:
    """Write a model as integers or GGUF, whichever its id draws, and return the fingerprint of that."""
    parts = [load_file(file) for file in sorted(Path(item.location).glob("*.safetensors"))]
    weights = {name: value.float() for part in parts for name, value in part.items()}
    kind = random.Random(item.id).choice(("int8", "int4", *sorted(set(GGUF_KINDS))))
    if kind.startswith("int"):
        folders.write_integers(folder, weights, shape_of(weights), int(kind[3:]))
    else:
        folders.write_gguf(folder, weights, shape_of(weights), kind)
    with open_model(folder) as model:
        return compute_fingerprint(model, f"{item.id}-{kind}", item.created_at)


def _named(edges: Sequence[Edge], child: str, content: Mapping[str, str]) -> dict[str, float]:
    """Return the parents of a model's merge in the chart, by content, each with its weight."""
    return {
        content[edge.parent]: edge.evidence.weight
        for edge in edges
        if edge.child == child and isinstance(edge.evidence, MergeEvidence)
    }


def _merged(
    prints: Sequence[Fingerprint], child: str, read: Resampler, content: Mapping[str, str], *, time: bool
) -> set[str]:
    """Return what one model of a family is merged of, by content: of a chart, that part alone."""
    samples = load_samples(prints, read, use_dates=time)
    relations = find_merges(samples, run_pair_tests(samples), find_copies(samples))
    row = next((at for at, item in enumerate(samples.fingerprints) if item.id == child), -1)
    found = relations.merges.get(row)
    return set() if found is None else {content[samples.fingerprints[parent].id] for parent in found.parents}


def _below(model: str, truth: Mapping[str, Any]) -> set[str]:
    """Return a model and all that was made of it."""
    found, queue = {model}, [model]
    while queue:
        above = queue.pop()
        new = {edge["child"] for edge in truth["edges"] if edge["parent"] == above} - found
        found |= new
        queue += new
    return found


def _count(counts: list[int], right: bool) -> None:
    counts[0], counts[1] = counts[0] + right, counts[1] + 1


if __name__ == "__main__":
    main()
