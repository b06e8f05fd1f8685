"""Match of a model with another one's cast, quantized or pruned copy, element by element.

Each tensor is explained by the best of three:

- the original's values up to rounding to the stored type
- its values on one of the usual quantization grids
- its values where the copy is not zero

A copy explains all elements. A related model explains only the few that are near the middle of their cell.

Grids, with scale s and zero point z:

- symmetric, q = s · clip(round(w / s), -L - 1, L), s = max|w| / L over a row, 128 or 32 columns; L is 127 or 7;
- Q4_0, Q5_0 of llama.cpp: s = w_max / -8 or -16, w_max the element of the largest magnitude, with its sign;
- Q4_1, Q5_1 of llama.cpp: q = s · round((w - z) / s) + z, z = min w, s = (max w - min w) / 15 or 31;
- MXFP4: `q = s · e2m1(w / s)`, s a power of 2. It is that of max|w| over 32 columns, less 2 (OCP Microscaling Formats
  1.0, section 6.3), or the least that clips nothing (`downcast_to_mxfp` of triton_kernels).

Those of llama.cpp follow `quantize_row_*_ref` of ggml-quants. Q8_0 is the symmetric grid of eight bits over 32 columns.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

from atlas_db.core.arrays import Doubles, Flags, Floats, Integers
from ingest.formats.matrix import RUN_LENGTH
from ingest.weights.parameters.pairwise_parameters import PAIRWISE
from ingest.weights.samples.aligned_samples import FLOAT_DTYPES, Vectors, count_flags, rounding_error

_SCALE_ROUNDING = 2.0**-10
"""Relative error of a scale that is stored in 16 bits."""
BATCH_MODELS = 16
"""Models whose grids are detected at once: so many keep the arrays in the processor's cache."""


class CopyMatch(NamedTuple):
    """How well one model explains another as its copy.

    Attributes:
        explained: Share of elements explained, 0..1.
        kind: same, cast, quantized or pruned.
        grid: Grid of most tensors; empty where there is none.
        zeros: Share of elements that were set to zero.
    """

    explained: float
    kind: str
    grid: str
    zeros: float


def quantize(values: Floats, row_max: Floats, block_max: Floats, scaled: Floats | None = None) -> dict[str, Floats]:
    """Return values rounded to every known grid.

    Args:
        values: Shape (p, 32).
        row_max: Largest magnitude of each position's row, shape (p,).
        block_max: Largest magnitude of the 128 columns around it, shape (p,).
        scaled: Values that give the scales of 32 columns, where they are others, shape (p, 32).

    Returns:
        Arrays of shape (p, 32), by name of the grid.
    """
    by = values if scaled is None else scaled
    run_max = np.abs(by).max(1)
    made = {}
    for name, most in (("row", row_max), ("block128", block_max), ("block32", run_max)):
        for bits, levels in (("int8", 127), ("int4", 7)):
            made[f"{bits}/{name}"] = _symmetric(values, most / np.float32(levels), levels)
    signed = by[np.arange(len(by)), np.abs(by).argmax(1)]
    made["Q4_0"] = _signed(values, signed / -8, 8)
    made["Q5_0"] = _signed(values, signed / -16, 16)
    low, high = by.min(1), by.max(1)
    made["Q4_1"] = _offset(values, low, (high - low) / 15)
    made["Q5_1"] = _offset(values, low, (high - low) / 31)
    run_max = np.maximum(run_max, np.float32(2.0**-100))
    made["MXFP4/floor"] = _e2m1(values, np.floor(np.log2(run_max)) - 2)
    made["MXFP4/ceil"] = _e2m1(values, np.ceil(np.log2(run_max / 6)))
    return made


def _symmetric(values: Floats, scale: Floats, levels: int) -> Floats:
    step = np.maximum(scale, 1e-12)[:, None]
    return np.clip(np.rint(values / step), -levels - 1, levels) * step


def _signed(values: Floats, scale: Floats, levels: int) -> Floats:
    step = np.where(np.abs(scale) < 1e-12, 1e-12, scale)[:, None]
    return (np.clip(np.floor(values / step + levels + 0.5), 0, 2 * levels - 1) - levels) * step


def _offset(values: Floats, low: Floats, scale: Floats) -> Floats:
    step = np.maximum(scale, 1e-12)[:, None]
    return np.rint((values - low[:, None]) / step) * step + low[:, None]


def _e2m1(values: Floats, exponents: Floats) -> Floats:
    """Return values rounded to 4-bit floats, to even codes from the middle between two."""
    scale = np.exp2(exponents)[:, None]
    size = np.abs(values) / scale
    step = np.where(size < 2, np.float32(0.5), np.where(size < 4, np.float32(1), np.float32(2)))
    return np.asarray(np.copysign(np.minimum(np.rint(size / step) * step, 6), values) * scale, np.float32)


class QuantizedValues(NamedTuple):
    """Values of k models on every known grid.

    Attributes:
        names: Of the grids.
        values: Shape (k, g, p, 32).
        slack: What rounding the scale to 16 bits moves, shape (k, g, p, 32).
    """

    names: tuple[str, ...]
    values: Floats
    scale_error: Floats

    def take(self, chosen: Integers) -> QuantizedValues:
        """Return some of the models."""
        return QuantizedValues(self.names, self.values[chosen], self.scale_error[chosen])


def quantize_models(vectors: Vectors, models: Integers, like: int | None = None) -> QuantizedValues:
    """Return models' values on every known grid.

    Args:
        vectors: The family.
        models: Rows of the models, shape (k,).
        like: Row of the model that gives the scales; each model's own where None.
    """
    values, by = vectors.values[models], models if like is None else np.full(len(models), like)
    sides = (
        vectors.row_max[by].reshape(-1),
        vectors.block_max[by].reshape(-1),
        vectors.values[by].reshape(-1, RUN_LENGTH),
    )
    made = {name: each.reshape(values.shape) for name, each in quantize(values.reshape(-1, RUN_LENGTH), *sides).items()}
    slack = np.stack([np.broadcast_to(_scale_error(name, each), each.shape) for name, each in made.items()], 1)
    return QuantizedValues(tuple(made), np.stack(list(made.values()), 1), slack)


def match_quantization(
    vectors: Vectors, child: int, parents: Integers, quantized: QuantizedValues | None = None
) -> list[CopyMatch]:
    """Return how well each of some models explains another as its copy.

    Args:
        vectors: The family.
        child: Row of the possible copy.
        parents: Rows of possible originals, shape (k,).
        quantized: Their values on every grid; computed where None.

    Returns:
        One match a possible original.
    """
    quantized = quantized or quantize_models(vectors, parents)
    theirs, ours = vectors.values[parents], vectors.values[child]
    unchanged = np.abs(ours - theirs) <= rounding_error(vectors, theirs, child)
    pruned = (ours == 0) & (theirs != 0) & ~unchanged
    near = np.abs(ours - quantized.values) <= rounding_error(vectors, quantized.values, child) + quantized.scale_error
    hits = np.concatenate((count_flags(np.stack((unchanged, unchanged | pruned, pruned), 1)), count_flags(near)), 1)
    table, sizes = vectors.tensor_means(hits / RUN_LENGTH)
    zeros, shares = table[:, 2], np.delete(table, 2, 1)
    shares[:, 1][zeros <= PAIRWISE.min_pruned_share] = 0.0
    shares[:, 2:][np.broadcast_to(shares[:, :1] == 1, shares[:, 2:].shape)] = 0.0
    same = (ours == theirs).mean((1, 2)) > PAIRWISE.min_equal_share
    return [_classify(*each, sizes, quantized.names) for each in zip(shares, zeros, same.tolist(), strict=True)]


def _classify(shares: Doubles, zeros: Doubles, same: bool, sizes: Doubles, names: tuple[str, ...]) -> CopyMatch:
    """Return the kind of a copy, by the best explanation of each tensor.

    Args:
        shares: Share of each tensor's elements that is explained unchanged, pruned, and by each of g grids, shape
            (2 + g, t).
        zeros: Share of each tensor's elements that were set to zero, shape (t,).
        same: Whether the values are equal.
        sizes: Positions of each tensor, shape (t,).
        names: Names of the grids, length g.
    """
    best, total = shares.argmax(0), sizes.sum()
    used = np.bincount(best, sizes, len(shares)) / total
    grid = int(used[2:].argmax())
    kind, grid_name = "cast", ""
    if used[2 + grid] > PAIRWISE.min_grid_share:
        kind, grid_name = "quantized", names[grid]
    elif used[1] > PAIRWISE.min_grid_share:
        kind = "pruned"
    elif same:
        kind = "same"
    explained = float((shares[best, np.arange(len(sizes))] * sizes).sum() / total)
    return CopyMatch(explained, kind, grid_name, float((zeros * sizes)[best == 1].sum() / total))


def _scale_error(grid: str, quantized: Floats) -> Floats:
    """Return the error that rounding the scale to 16 bits makes: relative to the value, or to the zero point.

    Shapes:
        - **quantized:** (…, 32).
        - **output:** (…, 32), or (…, 1) for grids with a zero point.
    """
    size = np.abs(quantized).max(-1, keepdims=True) if grid in ("Q4_1", "Q5_1") else np.abs(quantized)
    return np.asarray(size * np.float32(_SCALE_ROUNDING))


def detect_grids(vectors: Vectors) -> list[str]:
    """Return the grid that each model's values lie on already, or an empty name."""
    out = ["" if dtype in FLOAT_DTYPES else dtype for dtype in vectors.main_dtype]
    floats = [model for model, grid in enumerate(out) if not grid]
    for start in range(0, len(floats), BATCH_MODELS):
        models = floats[start : start + BATCH_MODELS]
        for model, grid in zip(models, _detect_batch(vectors, models), strict=True):
            out[model] = grid
    return out


def _detect_batch(vectors: Vectors, models: Sequence[int]) -> list[str]:
    """Return the first grid that the values of each of some models lie on, or an empty name."""
    out = [""] * len(models)
    for name, on in _tensors_on_grids(vectors, models):
        for place in np.flatnonzero(on.mean(1) > PAIRWISE.min_grid_tensors):
            out[place] = out[place] or name
    return out


def _tensors_on_grids(vectors: Vectors, models: Sequence[int]) -> Iterator[tuple[str, Flags]]:
    """Yield the name of each grid, and which tensors of some models lie on it, shape (models, t)."""
    values, sides = vectors.values[models], (vectors.row_max[models].reshape(-1), vectors.block_max[models].reshape(-1))
    fine = rounding_error(vectors, values, models) + _scale_error("", values)
    largest = np.maximum.reduceat(np.abs(values).max(2), vectors.starts, axis=1)
    bound = PAIRWISE.small_code_share * np.repeat(largest, vectors.sizes.astype(np.int64), axis=1)
    for name, flat in quantize(values.reshape(-1, RUN_LENGTH), *sides).items():
        made = flat.reshape(values.shape)
        # Rounding to the stored type hides the grid of large codes.
        small = (np.abs(made) < bound[..., None]) & (made != 0)
        near = small & (np.abs(values - made) <= fine)
        hits, total = (np.add.reduceat(count_flags(each), vectors.starts, axis=1) for each in (near, small))
        yield name, hits > PAIRWISE.min_grid_hits * total


def tensors_on_grid(vectors: Vectors, model: int, grid: str) -> Flags:
    """Return which tensors of a quantized model lie on its grid, shape (names,)."""
    if grid == vectors.main_dtype[model]:
        return np.array([dtype not in FLOAT_DTYPES for dtype in vectors.dtypes[model]])
    out = np.zeros(len(vectors.names), bool)
    out[vectors.tensor[vectors.starts]] = next(
        on[0] for name, on in _tensors_on_grids(vectors, [model]) if name == grid
    )
    return out


def is_eight_bit(grid: str) -> bool:
    """Return whether a grid has eight bits a value."""
    return grid in ("I8", "Q8_0") or grid.startswith("int8")


def storage_noise(vectors: Vectors, model: int, grid: str) -> Floats:
    """Return the variance of the error that storing a model made in each element.

    An error uniform over a cell of width s has the variance s² / 12. Rounding to a float type with the largest error e
    has e² / 3.

    Args:
        vectors: The family.
        model: Row of the model.
        grid: Its quantization grid, or empty.

    Returns:
        Shape (p, 32).
    """
    values = vectors.values[model]
    noise = np.asarray(np.square(rounding_error(vectors, values, model)) / 3, np.float32)
    if not grid:
        return noise
    run_max = np.abs(values).max(1)
    levels = 127 if is_eight_bit(grid) else 7
    most = vectors.row_max[model] if grid in ("I8",) or grid.endswith("row") else run_max
    if grid.endswith("128"):
        most = vectors.block_max[model]
    if grid in ("Q5_0", "Q5_1", "Q5_K"):
        levels = 15
    on = tensors_on_grid(vectors, model, grid)[vectors.tensor]
    return np.asarray(noise + (on * (most / levels) ** 2 / 12)[:, None], np.float32)
