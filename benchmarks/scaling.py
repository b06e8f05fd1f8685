"""How the chart of one large family grows: `python -m benchmarks.scaling [--models 1000,3000,10000,30000]`.

Families are random trees of fingerprints: some models with very many children, some chains. A step is independent noise
of a random length. Printed by size: seconds of processors and of the clock, memory, true parents found, and compared
pairs a model. Growth is that since the size before, over the growth of n log n. Then one new model comes to each
family.
"""

from __future__ import annotations

import argparse
import resource
import time
from datetime import timedelta

import numpy as np

from atlas_db.core.terms import is_origin
from benchmarks.weights import BEGAN
from ingest.weights.chart import chart
from ingest.weights.family_regions import region_of
from ingest.weights.fingerprints.fingerprint import Fingerprint, Sample
from ingest.weights.fingerprints.sampling import RUN_LENGTH
from ingest.weights.parameters.sample_parameters import SAMPLE
from ingest.weights.samples.model_families import affected_families
from ingest.weights.samples.neighbour_index import nearest_neighbours

LAYERS = 4
MATRICES = ("self_attn.q_proj", "self_attn.v_proj", "self_attn.o_proj", "mlp.gate_proj", "mlp.up_proj", "mlp.down_proj")
OF_ROOT, OF_HUB = 0.2, 0.5
"""Share of models that come from the root; and of those that come from it or from the parent of another model."""
STEPS = (-1.6, -0.9)
"""Logarithm of the least and the greatest step over the root's length."""


def one_family(count: int, seed: int = 0) -> tuple[list[Fingerprint], list[int]]:
    """Return fingerprints of one family, a minute apart, and the place of each one's parent; -1 for the root."""
    rng = np.random.default_rng(seed)
    positions = SAMPLE.fingerprint_positions
    names = [f"layers.{layer}.{matrix}.weight" for layer in range(LAYERS) for matrix in MATRICES]
    keys = rng.integers(1, 2**63, positions, dtype=np.uint64)
    tensor = np.sort(np.arange(positions) % len(names)).astype(np.uint16)
    values, parents, made = list[np.ndarray](), list[int](), list[Fingerprint]()
    for place in range(count):
        kind, other = rng.random(), int(rng.integers(0, max(place, 1)))
        parent = -1 if not place else 0 if kind < OF_ROOT else max(parents[other], 0) if kind < OF_HUB else other
        noise = rng.standard_normal((positions, RUN_LENGTH), np.float32)
        step = np.float32(10 ** rng.uniform(*STEPS))
        values.append(noise if parent < 0 else values[parent] + step * noise)
        parents.append(parent)
        most = np.abs(values[-1]).max(1)
        sample = Sample(keys, tensor, values[-1], most * 2, most * 1.5, names, ["F32"] * len(names))
        date = (BEGAN + timedelta(minutes=place)).isoformat()
        made.append(Fingerprint(
            f"m{place:06d}", date, "", False, "F32", 10**9, 4 * 10**9, "k", f"{place}", sample,
            names, np.zeros((len(names), 5), np.float32),
        ))  # fmt: skip
    return made, parents


def _processor() -> float:
    both = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(each.ru_utime + each.ru_stime for each in both)


def _memory() -> int:
    """Return the MiB of the largest process so far."""
    both = (resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return max(both) // 1024


def main() -> None:
    """Chart families of growing size."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.scaling", description=__doc__)
    parser.add_argument("--models", default="1000,3000,10000")
    options = parser.parse_args()
    before: tuple[int, float] | None = None
    for count in map(int, options.models.split(",")):
        prints, parents = one_family(count)
        compared = nearest_neighbours(np.stack([item.sample.values.reshape(-1) for item in prints]), 16).compared
        began, processor = time.perf_counter(), _processor()
        edges = chart(prints)
        took, worked = time.perf_counter() - began, _processor() - processor
        named = [edge for edge in edges if not is_origin(edge.parent) and not is_origin(edge.child)]
        right = sum(parents[int(edge.child[1:])] == int(edge.parent[1:]) for edge in named)
        line = (
            f"{count:,} models: {worked:.1f} s of processors, {took:.1f} s, {_memory():,} MiB, {right / count:.1%} of "
            f"parents right, {compared / count:,.0f} pairs compared a model"
        )
        if before is not None:
            expected = count * np.log(count) / (before[0] * np.log(before[0]))
            line += f", growth {worked / before[1] / expected:.2f} times that of n log n"
        print(line, flush=True)
        before = count, worked
        new = {prints[count // 2].id}
        began, processor = time.perf_counter(), _processor()
        region = region_of(affected_families(prints, new), new)
        found = [edge.parent for edge in chart(region.members, children=region.children) if edge.child in new]
        took, worked = time.perf_counter() - began, _processor() - processor
        print(
            f"    one more: {worked:.2f} s of processors, {took:.2f} s, among {len(region.members)} models; "
            f"parent {', '.join(found) or 'none'}, in truth m{parents[count // 2]:06d}",
            flush=True,
        )


if __name__ == "__main__":
    main()
