"""Merge search: one set of weights for all tensors first, then weights a tensor, then element by element.

Quantized models, and models whose units are in different orders, are searched for SLERP, TIES and DARE alone.
"""

from __future__ import annotations

from collections.abc import Sequence

from atlas_db.core.arrays import Floats
from ingest.weights.merges.by_tensor.partial_linear import find_partial_linear
from ingest.weights.merges.by_tensor.tensor_recipes import simplest_merge
from ingest.weights.merges.by_tensor.tensor_weights import fit_local_weights, has_row_weights
from ingest.weights.merges.linear import fit_affine
from ingest.weights.merges.merge import Merge, MergeProblem
from ingest.weights.merges.mixture_search import find_mixture
from ingest.weights.merges.near_models import (
    build_neighbourhood,
    is_rounded_again,
    shares_elements,
    stored_input_dtype,
)
from ingest.weights.merges.slerp import fit_slerp, slerp_pairs
from ingest.weights.merges.subset_search import best_pair_ratio, nearest_candidates, search_subsets
from ingest.weights.merges.ties_dare import find_ties_dare
from ingest.weights.parameters.merge_parameters import MERGE


def find_merge(
    problem: MergeProblem, child: int, candidates: Sequence[int], noise: Floats, *, permuted: bool = False
) -> Merge | None:
    """Return the merge that reproduces a model within storage noise, or None.

    Args:
        problem: The family.
        child: Row of the model.
        candidates: Rows of possible inputs, one of each set of duplicates; the nearest are searched.
        noise: Variance that storing the child added to each element, shape (p, 32).
        permuted: Whether units may be in different orders. SLERP then interpolates between nearly orthogonal models,
            and its factors add up to more than one.
    """
    others = nearest_candidates(child, candidates, problem.sq_distance)
    if len(others) < 2:
        return None
    searched = child, permuted, tuple(others)
    if searched not in problem.fits:
        problem.fits[searched] = _search(problem, child, others, noise, permuted=permuted)
    return problem.fits[searched]


def _search(problem: MergeProblem, child: int, others: Sequence[int], noise: Floats, *, permuted: bool) -> Merge | None:
    """Return the merge of some of the given models, or None; arguments are those of `find_merge`."""
    nearest = min(others, key=lambda row: float(problem.sq_distance[child, row]))
    if is_rounded_again(problem.vectors, child, nearest):
        return None
    subsets = _candidate_subsets(problem, child, others)
    merge = fit_affine(problem, child, subsets, others, noise)
    if merge is not None:
        return merge
    if not permuted and not problem.quantization[child]:
        return _find_local_merge(problem, child, others)
    pairs: Sequence[tuple[int, ...]]
    if permuted:
        pairs = slerp_pairs(problem.search_vectors, child, others)
    else:
        pairs = [rows for rows in subsets if len(rows) == 2][: MERGE.max_slerp_pairs]
    merge = fit_slerp(problem, child, pairs, others, noise)
    if merge is not None or problem.quantization[child]:
        return merge
    return find_ties_dare(problem, child, others, noise)


def find_linear_merge(problem: MergeProblem, child: int, candidates: Sequence[int], noise: Floats) -> Merge | None:
    """Return the linear merge or task arithmetic that reproduces a model within storage noise, or None.

    Arguments are those of `find_merge`.
    """
    others = nearest_candidates(child, candidates, problem.sq_distance)
    if len(others) < 2:
        return None
    return fit_affine(problem, child, _candidate_subsets(problem, child, others), others, noise)


def _candidate_subsets(problem: MergeProblem, child: int, others: Sequence[int]) -> list[tuple[int, ...]]:
    """Return the sets of models whose affine combination is near enough to a model, small ones first."""
    nearest_sq = float(problem.sq_distance[child, others].min())
    max_residual = MERGE.max_subset_residual_ratio * nearest_sq / problem.vectors.flat.shape[1]
    found = search_subsets(problem.gram, child, others, MERGE.max_pair_residual_ratio, max_residual)
    return [rows for rows, residual in found if residual <= max_residual]


def _find_local_merge(problem: MergeProblem, child: int, others: Sequence[int]) -> Merge | None:
    """Return the merge that explains a model tensor by tensor, element by element or row by row, or None.

    A float32 merge with many values of sixteen bits was computed in these, or has them from a parent that is stored so.

    Args:
        problem: The family.
        child: Row of the model.
        others: Rows of possible inputs.
    """
    own = problem.vectors.main_dtype[child]
    for dtype in dict.fromkeys((stored_input_dtype(problem.vectors, child), own)):
        merge = _find_merge_of_type(problem, child, others, dtype)
        if merge is not None:
            return merge
    return None


def _find_merge_of_type(problem: MergeProblem, child: int, others: Sequence[int], dtype: str) -> Merge | None:
    """Return the merge whose inputs were rounded to a type, or None; arguments are those of `_find_local_merge`."""
    is_combination = best_pair_ratio(problem.gram, child, others) < MERGE.max_local_pair_ratio
    if not is_combination and not shares_elements(problem, child, others, dtype):
        return None
    near = build_neighbourhood(problem, child, others, dtype)
    merge = simplest_merge(near, fit_local_weights(near, "tensor")) if is_combination else None
    if merge is None or merge.complexity >= MERGE.tensor_weights.loose_complexity:
        merge = find_mixture(near) or merge
    if merge is None and is_combination and has_row_weights(near):
        merge = simplest_merge(near, fit_local_weights(near, "row"))
    if merge is None and is_combination:
        merge = find_partial_linear(near)
    return merge
