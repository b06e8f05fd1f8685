"""Components of models of one shape, linked where their weights correlate.

Models of one shape that were trained from different initial values have uncorrelated weights. The cosine of n of
their elements has the standard deviation 1/√n around 0. Models with a common ancestor correlate. So the number of
families need not be known.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from atlas_db.core.arrays import Floats, Integers
from ingest.formats.matrix import RUN_LENGTH
from ingest.weights.fingerprints.fingerprint import Fingerprint
from ingest.weights.parameters.sample_parameters import SAMPLE
from ingest.weights.samples.aligned_samples import SharedPositions, in_vocabulary, shared_positions

BLOCK_MODELS = 256
"""Models that are compared at once: bounds the memory."""


class LeaderClusters(NamedTuple):
    """Models of one shape, with their leaders and components.

    Attributes:
        common: The positions that they share, and their samples there.
        leaders: Rows of the models that stand for others in comparisons.
        roots: Root of each row's component, shape (n,).
    """

    common: SharedPositions
    leaders: list[int]
    roots: Integers

    def components(self, count: int) -> list[list[int]]:
        """Return components, the largest first; models whose samples cannot be compared are alone.

        Args:
            count: Number of models that were given.
        """
        return components_of(count, self.common.members, [find_root(self.roots, row) for row in range(len(self.roots))])


def connected_families(fingerprints: Sequence[Fingerprint]) -> list[list[int]]:
    """Return connected components of models of one shape, linked where their weights correlate.

    Args:
        fingerprints: Models of one shape.

    Returns:
        Indices of fingerprints, ascending, the largest component first.
    """
    return leader_clusters(fingerprints).components(len(fingerprints))


def leader_clusters(fingerprints: Sequence[Fingerprint]) -> LeaderClusters:
    """Link models of one shape where their weights correlate.

    Two models are linked by their cosine over all tensors, or by a high cosine over the vocabulary alone. Permuted
    copies agree in the vocabulary only, which has too few elements for a low threshold.

    Not all pairs are compared. A model becomes a leader where no earlier leader has a cosine of `SAMPLE.leader_cosine`
    with it over all tensors (leader clustering, Hartigan 1975, chapter 3). Then every model is compared with all
    leaders. Leaders are found by all tensors alone, so that permuted copies are leaders themselves: a merge of a
    permuted copy correlates with that copy only.

    Args:
        fingerprints: Models of one shape.
    """
    common = shared_positions([item.sample for item in fingerprints])
    count = len(common.members)
    roots = np.arange(count)
    leaders: list[int] = []
    leader_views = cosine_views(common, common.values(0, 0))
    for start in range(0, count, BLOCK_MODELS):
        block = np.arange(start, min(start + BLOCK_MODELS, count))
        block_views = cosine_views(common, common.values(start, start + BLOCK_MODELS))
        to_leaders, to_block = (
            max_cosine(block_views[:1], leader_views[:1]),
            max_cosine(block_views[:1], block_views[:1]),
        )
        new_leaders: list[int] = []
        for at in range(len(block)):
            if max(to_leaders[at].max(initial=0.0), to_block[at, new_leaders].max(initial=0.0)) < SAMPLE.leader_cosine:
                new_leaders.append(at)
        leaders += block[new_leaders].tolist()
        leader_views = [old.with_rows(new, new_leaders) for old, new in zip(leader_views, block_views, strict=True)]
    for start in range(0, count, BLOCK_MODELS):
        block_views = cosine_views(common, common.values(start, start + BLOCK_MODELS))
        for at, other in np.argwhere(max_cosine(block_views, leader_views) > SAMPLE.min_related_cosine).tolist():
            union_roots(roots, start + at, leaders[other])
    return LeaderClusters(common, leaders, roots)


class CosineView(NamedTuple):
    """Elements of models, scaled so that the product of two rows is their cosine.

    Attributes:
        values: Shape (n, elements).
        min_cosine: Cosine below which the view counts as uncorrelated.
    """

    values: Floats
    min_cosine: float

    def with_rows(self, other: CosineView, rows: list[int]) -> CosineView:
        """Return the view with some rows of another view appended."""
        return CosineView(np.concatenate((self.values, other.values[rows])), self.min_cosine) if rows else self


def cosine_views(common: SharedPositions, values: Floats) -> list[CosineView]:
    """Return views of all tensors and, where there is one, of the vocabulary with its own least cosine.

    The cosine is the mean of those of the tensors, each weighted by its number of elements. Over all elements at once
    the tensor with the largest weights would decide. Trained output embeddings share few directions (anisotropy, Gao
    et al. 2019, arXiv 1907.12009). In models from independent starts their cosine has three times the expected spread.

    Args:
        common: The shared positions.
        values: Elements of n models, shape (n, p, 32).
    """
    vocabulary = in_vocabulary(common.tensor, common.names)
    views = [CosineView(_scaled_by_tensor(values, common.tensor), 0.0)]
    if vocabulary.any():
        part = _scaled_by_tensor(values[:, vocabulary], common.tensor[vocabulary])
        views.append(CosineView(part, SAMPLE.min_vocabulary_cosine))
    return views


def _scaled_by_tensor(values: Floats, tensor: Integers) -> Floats:
    """Return each model's elements with a squared norm of n_t / n in a tensor of n_t of the n elements.

    Args:
        values: Shape (n, p, 32).
        tensor: Tensor of each position, shape (p,), those of one tensor in a row.

    Returns:
        Shape (n, 32 p).
    """
    starts = np.flatnonzero(np.diff(tensor, prepend=-1))
    sizes = np.diff(starts, append=len(tensor))
    sq_norms = (
        np.add.reduceat(np.einsum("npk,npk->np", values, values), starts, axis=1) if len(starts) else values[:, :, 0]
    )
    scale = np.sqrt(sizes / len(tensor) / np.maximum(sq_norms, np.float32(1e-30))).astype(np.float32)
    return (values * np.repeat(scale, sizes, axis=1)[:, :, None]).reshape(len(values), len(tensor) * RUN_LENGTH)


def max_cosine(ours: Sequence[CosineView], theirs: Sequence[CosineView]) -> Floats:
    """Return the greatest cosine over the views, each 0 below its least cosine, shape (ours, theirs)."""
    cosines = []
    for our, their in zip(ours, theirs, strict=True):
        cosine = our.values @ their.values.T
        cosines.append(np.where(cosine > our.min_cosine, cosine, 0.0))
    return np.asarray(np.maximum.reduce(cosines), np.float32)


def union_roots(roots: Integers, row: int, other: int) -> None:
    """Join the components of two rows (union-find, Tarjan 1975; scipy is no dependency of the core install)."""
    first, second = find_root(roots, row), find_root(roots, other)
    roots[max(first, second)] = min(first, second)


def find_root(roots: Integers, row: int) -> int:
    """Return the root of a row's component, halving the path to it."""
    while roots[row] != row:
        roots[row] = roots[roots[row]]
        row = int(roots[row])
    return row


def components_of(count: int, members: Sequence[int], roots: Sequence[int]) -> list[list[int]]:
    """Return components, the largest first; models whose samples cannot be compared are alone.

    Args:
        count: Number of models.
        members: Index of each compared model.
        roots: Root of each compared model's component.
    """
    components: dict[int, list[int]] = defaultdict(list)
    for member, root in zip(members, roots, strict=True):
        components[root].append(member)
    alone = [[place] for place in sorted(set(range(count)) - set(members))]
    return sorted([*(sorted(part) for part in components.values()), *alone], key=lambda part: (-len(part), part))
