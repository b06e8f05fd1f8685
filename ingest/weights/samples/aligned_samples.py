"""Samples of models of one architecture, aligned element by element: a row a model, a column a shared element."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from atlas_db.core.arrays import Doubles, Flags, Floats, Integers, Keys
from ingest.formats.matrix import RUN_LENGTH
from ingest.formats.tensor_names import PART_PATTERNS, is_vocabulary, part_index
from ingest.weights.fingerprints.fingerprint import Sample
from ingest.weights.parameters.sample_parameters import SAMPLE

RELATIVE_ERROR = {
    "BF16": 2.0**-8, "F16": 2.0**-11, "F8_E4M3": 2.0**-4, "F8_E4M3FNUZ": 2.0**-4, "F8_E5M2": 2.0**-3,
    "F8_E5M2FNUZ": 2.0**-3,
}  # fmt: skip
"""Largest relative error of storing a value in a type: half a unit in the last place, a whole one for bfloat16."""
UNDERFLOW_ERROR = {"F16": 2.0**-25}
"""Largest error of storing a value near zero, in a type that underflows early."""
MIN_SQ_DISTANCE = 1e-30
"""Squared distance of equal models, for logarithms."""
_EACH_BYTE = np.uint64(0x0101010101010101)
FLOAT8_DTYPES = ("F8_E4M3", "F8_E5M2", "F8_E4M3FNUZ", "F8_E5M2FNUZ")
FLOAT_DTYPES = ("F64", "F32", "BF16", "F16", *FLOAT8_DTYPES)


def round_to_dtype(values: Floats, kind: str) -> Floats:
    """Return values rounded to F16 or BF16, ties to even; those of any other type as they are.

    Negative zero becomes zero.

    Args:
        values: Any shape.
        kind: Type as safetensors names it.
    """
    if kind == "F16":
        with np.errstate(over="ignore"):
            return values.astype(np.float16).astype(np.float32) + 0.0
    if kind == "BF16":
        bits = np.ascontiguousarray(values).view(np.uint32)
        bits = (bits + 0x7FFF + ((bits >> 16) & 1)) & np.uint32(0xFFFF0000)
        return bits.view(np.float32) + np.float32(0.0)
    return values + np.float32(0.0)


@dataclass(slots=True)
class Vectors:
    """Samples of n models at the p positions they share.

    Attributes:
        values: Elements, shape (n, p, 32), float32.
        row_max: Largest magnitude of each position's row, shape (n, p).
        block_max: Largest magnitude of the 128 columns around it, shape (n, p).
        tensor: Tensor of each position, shape (p,), ascending.
        names: Names of the tensors.
        dtypes: Type of each tensor, a list a model.
        main_dtype: Type of most elements of each model.
        members: Index of each row in the caller's sequence.
        bounds: First position, position after the last, and name of each of t tensors.
        starts: First position of each tensor, shape (t,).
        sizes: Positions of each tensor, shape (t,).
        parts: Which tensors belong to each part of the network (`tensor_names.PART_PATTERNS`), shape (t, parts). All
            tensors where no tensor belongs to the part.
        relative_error: Largest relative error of storing a value in each model's own types, shape (n, p).
        least_error: Largest error of storing a value near zero, shape (n, p).
    """

    values: Floats
    row_max: Floats
    block_max: Floats
    tensor: Integers
    names: list[str]
    dtypes: list[list[str]]
    main_dtype: list[str]
    members: list[int]
    bounds: list[tuple[int, int, str]] = field(init=False)
    starts: Integers = field(init=False)
    sizes: Doubles = field(init=False)
    parts: Flags = field(init=False)
    relative_error: Floats = field(init=False)
    least_error: Floats = field(init=False)

    def __post_init__(self) -> None:
        by_model = [tuple(each) for each in self.dtypes]
        kinds = {each: place for place, each in enumerate(dict.fromkeys(by_model))}
        errors = [
            [(RELATIVE_ERROR.get(name, 2.0**-22), UNDERFLOW_ERROR.get(name, 1e-30)) for name in each] for each in kinds
        ]
        table = np.array(errors, np.float32).reshape(len(kinds), -1, 2)[:, self.tensor]
        rows = np.array([kinds[each] for each in by_model], np.int64)
        self.relative_error, self.least_error = table[rows, :, 0], table[rows, :, 1]
        self.starts = np.flatnonzero(np.diff(self.tensor, prepend=-1))
        self.sizes = np.diff(np.append(self.starts, len(self.tensor))).astype(np.float64)
        stops = [*self.starts[1:], len(self.tensor)]
        part = np.array([part_index(self.names[self.tensor[start]]) for start in self.starts], np.int64)
        self.parts = part[:, None] == np.arange(len(PART_PATTERNS))
        self.parts |= ~self.parts.any(0)
        self.bounds = [(int(a), int(b), self.names[self.tensor[a]]) for a, b in zip(self.starts, stops, strict=True)]

    @property
    def flat(self) -> Floats:
        """Elements of each model as one vector, shape (n, p · 32)."""
        return self.values.reshape(len(self.values), -1)

    def tensor_means(self, measured: npt.NDArray[Any]) -> tuple[Doubles, Doubles]:
        """Return means over each tensor's positions, and the positions of each tensor.

        Shapes:
            - **measured:** (…, p).
            - **output:** (…, t) and (t,).
        """
        return np.asarray(np.add.reduceat(measured, self.starts, axis=-1) / self.sizes), self.sizes


class SharedPositions(NamedTuple):
    """The p positions that n models share.

    Attributes:
        samples: Samples of the models.
        indices: Indices of the positions in each sample, shape (p,), or a slice where all are in order.
        tensor: Tensor of each position, shape (p,), ascending.
        names: Names of the tensors.
        members: Index of each model in the caller's sequence.
    """

    samples: list[Sample]
    indices: list[Integers | slice]
    tensor: Integers
    names: list[str]
    members: list[int]

    @property
    def keys(self) -> Keys:
        """Ids of the positions, shape (p,)."""
        return self.samples[0].keys[self.indices[0]] if self.samples else np.empty(0, np.uint64)

    def shared_with(self, other: SharedPositions) -> tuple[SharedPositions, SharedPositions]:
        """Return the models of each side at the positions that both sides have."""
        _, mine, theirs = np.intersect1d(self.keys, other.keys, assume_unique=True, return_indices=True)
        order = np.argsort(mine)
        return self._at(mine[order]), other._at(theirs[order])

    def _at(self, places: Integers) -> SharedPositions:
        kept = [np.arange(len(s.keys))[at][places] for s, at in zip(self.samples, self.indices, strict=True)]
        return self._replace(indices=list[Integers | slice](kept), tensor=self.tensor[places])

    def values(self, start: int = 0, stop: int | None = None) -> Floats:
        """Return the elements of the models from `start` to `stop`, shape (stop - start, p, 32)."""
        return self.values_of(range(*slice(start, stop).indices(len(self.samples))))

    def values_of(self, rows: Sequence[int]) -> Floats:
        """Return the elements of some models, shape (rows, p, 32)."""
        found = [self.samples[row].values[self.indices[row]] for row in rows]
        return np.stack(found) if found else np.empty((0, len(self.tensor), RUN_LENGTH), np.float32)


def align(samples: Sequence[Sample], dtypes: Sequence[str]) -> Vectors:
    """Align samples at the positions that they share.

    Args:
        samples: One a model.
        dtypes: Type of most elements of each model.
    """
    found = shared_positions(samples)
    sides = [
        (sample.row_max[at], sample.block_max[at]) for sample, at in zip(found.samples, found.indices, strict=True)
    ]
    row_max, block_max = np.array(sides, np.float32).reshape(len(sides), 2, -1).swapaxes(0, 1)
    return Vectors(
        found.values(),
        row_max,
        block_max,
        found.tensor,
        found.names,
        [_dtypes_of(sample, found.names) for sample in found.samples],
        [dtypes[place] for place in found.members],
        found.members,
    )


def shared_positions(samples: Sequence[Sample]) -> SharedPositions:
    """Return the positions that models share.

    Usual positions are those that more than half of the models have. Models with too few of them are left out
    (`SAMPLE.min_shared_positions`), and models with too few finite ones (`SAMPLE.min_finite_positions`). Then positions
    at which a remaining model has NaN or infinity are left out.

    Args:
        samples: One a model.
    """
    # Models of one architecture have the same positions: each distinct list is read once.
    layouts = [sample.keys.tobytes() for sample in samples]
    keys_of = {kind: sample.keys for kind, sample in zip(layouts, samples, strict=True)}
    key_sets = {kind: frozenset(keys.tolist()) for kind, keys in keys_of.items()}
    counts: Counter[int] = Counter()
    for kind, number in Counter(layouts).items():
        counts.update(dict.fromkeys(key_sets[kind], number))
    usual = {key for key, count in counts.items() if count * 2 > len(samples)} or set(counts)
    accepted = {
        kind for kind, keys in key_sets.items() if len(usual & keys) >= SAMPLE.min_shared_positions * len(usual)
    }
    with np.errstate(over="ignore", invalid="ignore"):
        finite_shares = [_finite_share(sample.values) for sample in samples]
    usable = [
        place
        for place, kind in enumerate(layouts)
        if kind in accepted and finite_shares[place] > SAMPLE.min_finite_positions
    ]
    used = {layouts[place] for place in usable}
    common = usual.intersection(*(key_sets[kind] for kind in used)) if used else set()
    if not common:
        return SharedPositions([], [], np.empty(0, np.int64), [], [])
    first = samples[usable[0]]
    kept = np.array([place for place, key in enumerate(first.keys.tolist()) if key in common])
    wanted = first.keys[kept]
    orders = {kind: np.argsort(keys_of[kind]) for kind in used}
    located = {kind: order[np.searchsorted(keys_of[kind][order], wanted)] for kind, order in orders.items()}
    indices = {kind: _as_slice(at, len(keys_of[kind])) for kind, at in located.items()}
    finite = np.ones(len(kept), bool)
    for place in usable:
        if finite_shares[place] < 1:
            finite &= np.isfinite(samples[place].values[indices[layouts[place]]]).all(1)
    if not finite.all():
        kept = kept[finite]
        indices = {kind: np.arange(len(keys_of[kind]))[at][finite] for kind, at in indices.items()}
    return SharedPositions(
        [samples[place] for place in usable],
        [indices[layouts[place]] for place in usable],
        first.tensor[kept].astype(np.int64),
        first.names,
        usable,
    )


def in_vocabulary(tensor: Integers, names: Sequence[str]) -> Flags:
    """Return which positions lie in a tensor with a row a token, shape (p,).

    Args:
        tensor: Tensor of each position, shape (p,).
        names: Names of the tensors.
    """
    return np.isin(tensor, [place for place, name in enumerate(names) if is_vocabulary(name)])


def _finite_share(values: Floats) -> float:
    """Return the share of positions without NaN and infinity."""
    all_finite = math.isfinite(np.vdot(values, values))
    return 1.0 if all_finite else float(np.isfinite(values).all(1).mean())


def _as_slice(at: Integers, count: int) -> Integers | slice:
    """Return indices, or a slice where they are all in order: a slice copies nothing."""
    return slice(None) if len(at) == count and bool((at == np.arange(count)).all()) else at


def _dtypes_of(sample: Sample, names: Sequence[str]) -> list[str]:
    if sample.names == names:
        return list(sample.dtypes)
    known = dict(zip(sample.names, sample.dtypes, strict=True))
    return [known.get(name, "F32") for name in names]


def subsampled(vectors: Vectors, positions: int) -> Vectors:
    """Return the same models at no more than some positions, spread evenly."""
    if len(vectors.tensor) <= positions:
        return vectors
    kept = np.unique(np.linspace(0, len(vectors.tensor) - 1, positions).astype(np.int64))
    return replace(
        vectors,
        values=np.ascontiguousarray(vectors.values[:, kept]),
        row_max=vectors.row_max[:, kept],
        block_max=vectors.block_max[:, kept],
        tensor=vectors.tensor[kept],
    )


def sq_distances(vectors: Vectors) -> Doubles:
    """Return squared Euclidean distances between all models, shape (n, n).

    MoTHer (arXiv 2405.18432, equation 1) takes the distance over all layers; here over all sampled elements.
    """
    return _squared_distances(vectors.flat)


def _squared_distances(flat: Floats) -> Doubles:
    centred = (flat - flat.mean(0)).astype(np.float32)
    gram = np.asarray(centred @ centred.T, np.float64)
    norms = np.diag(gram)
    return np.maximum(norms[:, None] + norms[None] - 2 * gram, 0.0)


def log_distances_by_part(vectors: Vectors) -> Floats:
    """Return log distances between all models over each part of the network, shape (n, n, parts)."""
    out = np.empty((len(vectors.values), len(vectors.values), len(PART_PATTERNS)), np.float32)
    known: dict[bytes, Floats] = {}
    for part, tensors in enumerate(vectors.parts.T):
        if (key := tensors.tobytes()) not in known:
            chosen = vectors.values[:, np.repeat(tensors, vectors.sizes.astype(np.int64))]
            squared = np.maximum(_squared_distances(chosen.reshape(len(out), -1)), MIN_SQ_DISTANCE)
            known[key] = (np.log(squared) / 2).astype(np.float32)
        out[..., part] = known[key]
    return out


def normalized(vectors: Vectors, names: Sequence[str] | None = None) -> Floats:
    """Return samples of some tensors, of all by default, scaled to length 1, shape (n, elements)."""
    if names is None:
        part = vectors.flat
    else:
        chosen = np.isin(vectors.tensor, [place for place, name in enumerate(vectors.names) if name in names])
        part = vectors.values[:, chosen].reshape(len(vectors.values), -1)
    norms = np.linalg.norm(part, axis=1)
    return np.asarray(part / np.maximum(norms, 1e-30)[:, None], np.float32)


def cosines(vectors: Vectors, names: Sequence[str] | None = None) -> Doubles:
    """Return cosines between all models over some tensors, of all by default, shape (n, n)."""
    scaled = normalized(vectors, names)
    return np.asarray(scaled @ scaled.T, np.float64)


def rounding_error(vectors: Vectors, values: Floats, model: int | Sequence[int]) -> Floats:
    """Return the largest error of storing values in a model's own types.

    Args:
        vectors: The family.
        values: Shape (…, p, 32); (k, p, 32) for k models.
        model: Row of the model, or rows of k models.

    Returns:
        Shape of `values`.
    """
    relative = np.abs(values) * vectors.relative_error[model][..., None]
    return np.asarray(np.maximum(relative, vectors.least_error[model][..., None]), np.float32)


def count_flags(flags: Flags) -> Integers:
    """Return how many of the 32 flags of each position are set.

    Flags are added as bytes of four 64-bit integers, then the bytes of their sum. A sum over a short axis by numpy
    takes ten times as long.

    Shapes:
        - **flags:** (…, 32).
        - **output:** (…).
    """
    words = flags.view(np.uint64)
    total = words[..., 0] + words[..., 1] + words[..., 2] + words[..., 3]
    return np.asarray((total * _EACH_BYTE) >> np.uint64(56), np.int64)
