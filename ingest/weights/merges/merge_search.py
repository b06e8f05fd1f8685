"""Merge search: linear and task arithmetic first, then SLERP, then TIES and DARE."""

from __future__ import annotations

from collections.abc import Sequence

from atlas_db.core.arrays import Floats
from ingest.weights.merges.linear import fit_affine
from ingest.weights.merges.merge import Merge, MergeProblem
from ingest.weights.merges.slerp import fit_slerp, slerp_pairs
from ingest.weights.merges.subset_search import HOPELESS, PAIRS, nearest_candidates, search_subsets
from ingest.weights.merges.ties_dare import find_ties_dare


def find_merge(
    view: MergeProblem, child: int, candidates: Sequence[int], noise: Floats, *, mixed: bool = False
) -> Merge | None:
    """Return the best explanation of a model as a merge, or None.

    Args:
        view: The family.
        child: Row of the model.
        candidates: Rows of possible parents, copies of each other left out; the nearest of them are looked at.
        noise: Variance that storing the child added to each element, shape (p, 32).
        mixed: Whether units may be in different orders: SLERP then turns by right angles, and its weights add up to
            more than one.
    """
    others = nearest_candidates(child, candidates, view.sq_distance)
    if len(others) < 2:
        return None
    sets = _candidate_subsets(view, child, others)
    found = fit_affine(view, child, sets, others, noise)
    if found is not None:
        return found
    pairs = (
        slerp_pairs(view.search_vectors, child, others) if mixed else [rows for rows in sets if len(rows) == 2][:PAIRS]
    )
    found = fit_slerp(view, child, pairs, others, noise)
    return found if found is not None or view.quantization[child] else find_ties_dare(view, child, others, noise)


def find_linear_merge(view: MergeProblem, child: int, candidates: Sequence[int], noise: Floats) -> Merge | None:
    """Return the best explanation of a model as one linear combination of others, or None.

    Arguments are those of `find_merge`.
    """
    others = nearest_candidates(child, candidates, view.sq_distance)
    return fit_affine(view, child, _candidate_subsets(view, child, others), others, noise) if len(others) > 1 else None


def _candidate_subsets(view: MergeProblem, child: int, others: Sequence[int]) -> list[tuple[int, ...]]:
    """Return sets of models that may be combined to another, small ones first."""
    enough = 0.2 * float(view.sq_distance[child, others].min()) / view.vectors.flat.shape[1]
    return [rows for rows, left in search_subsets(view.gram, child, others, HOPELESS, enough) if left <= enough]
