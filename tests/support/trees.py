"""Trees that stand as a test wants them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType

import pytest

from ingest.weights.samples.resample import Resampler
from ingest.weights.tree.exact_relations import build_family_state
from ingest.weights.tree.family_state import FamilyState, load_samples, run_pair_tests
from ingest.weights.tree.incremental_tree import IncrementalTree
from ingest.weights.tree.insertion import best_parent
from tests.support.families import Weights, print_of, write


def grown(
    folder: Path,
    models: list[Weights],
    bases: Mapping[int, int | None],
    dtypes: Mapping[int, str] = MappingProxyType({}),
) -> tuple[FamilyState, IncrementalTree]:
    """Return a family and a given tree, the models placed where that tree has them, as F32 unless a type is given."""
    folders = [write(folder / f"m{at}", weights, dtypes.get(at, "F32")) for at, weights in enumerate(models)]
    prints = [print_of(each, each.name) for each in folders]
    samples = load_samples(prints, Resampler(), use_dates=False)
    family = build_family_state(samples, run_pair_tests(samples))
    merges = family.relations.merges
    tree = IncrementalTree(samples.vectors, samples.sq_distance, family.precedence_log_odds, family.scorer, merges)
    for row, base in bases.items():
        tree.add(row, base)
    for row, base in bases.items():
        if base is not None:
            choice = best_parent(family, tree, row) or pytest.fail("no place")
            tree.choices[row] = replace(choice, parent=base)
    return family, tree
