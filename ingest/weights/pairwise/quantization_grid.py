"""Copies: is a model another one rounded, quantized or pruned? The other's own grid answers, value by value.

Each tensor is explained by the best of: unchanged up to the rounding of the stored type; the other's values on one of
the usual grids; the other's values where they are not zero. What share of the elements is explained tells a copy (all
of them) from a relative (those near the middle of their cell). Grids: symmetric absolute-maximum grids a row, a block
of 128 or 32; Q4_0, Q4_1, Q5_0, Q5_1, Q8_0 of llama.cpp (ggml-quants, quantize_row_*_ref).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

from atlas_db.core.arrays import Doubles, Flags, Floats, Integers
from ingest.weights.formats.open_model import RUN_LENGTH
from ingest.weights.samples.aligned_samples import FLOAT_DTYPES, Vectors, count_flags, rounding_error

LEAST = 0.9
"""Share of elements that a copy explains at least. Relatives stay below; what clipping moves stays above."""
LEAST_CUT, PART = 0.02, 0.2
"""Share of a tensor's elements set to zero that counts as pruning, and of elements on a grid as quantizing."""
_SCALE_ROUNDING = 2.0**-10
BATCH_MODELS = 16
"""Models whose own grids are looked for at once."""


class CopyMatch(NamedTuple):
    """How well one model explains another as its copy.

    Attributes:
        share: Share of elements explained, 0..1.
        kind: same, cast, quantized or pruned.
        grid: The grid that most tensors are on; empty where there is none.
        zeros: Share of elements that were set to zero.
    """

    explained: float
    kind: str
    grid: str
    zeros: float


def quantize(values: Floats, row_max: Floats, block_max: Floats, scaled: Floats | None = None) -> dict[str, Floats]:
    """Return values on every known grid.

    Args:
        values: Shape (p, 32).
        row_max: Shape (p,).
        block_max: Shape (p,).
        scaled: Values whose blocks of 32 give the scales, where they are not the same; shape (p, 32).

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
    """Return models' values on every known grid, by the scales of their own or of one other model."""
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
    """Return how well a model is explained as a copy of each of some others.

    Args:
        vectors: The family.
        child: Row of the possible copy.
        parents: Rows of possible originals, shape (k,).
        quantized: Their values on every grid, where they are at hand.
    """
    quantized = quantized or quantize_models(vectors, parents)
    theirs, ours = vectors.values[parents], vectors.values[child]
    unchanged = np.abs(ours - theirs) <= rounding_error(vectors, theirs, child)
    pruned = (ours == 0) & (theirs != 0) & ~unchanged
    near = np.abs(ours - quantized.values) <= rounding_error(vectors, quantized.values, child) + quantized.scale_error
    hits = np.concatenate((count_flags(np.stack((unchanged, unchanged | pruned, pruned), 1)), count_flags(near)), 1)
    table, sizes = vectors.tensor_means(hits / RUN_LENGTH)
    zeros, shares = table[:, 2], np.delete(table, 2, 1)
    shares[:, 1][zeros <= LEAST_CUT] = 0.0
    shares[:, 2:][np.broadcast_to(shares[:, :1] == 1, shares[:, 2:].shape)] = 0.0
    same = (ours == theirs).mean((1, 2)) > 0.999
    return [_classify(*each, sizes, quantized.names) for each in zip(shares, zeros, same.tolist(), strict=True)]


def _classify(shares: Doubles, zeros: Doubles, same: bool, sizes: Doubles, names: tuple[str, ...]) -> CopyMatch:
    """Say what a copy is by what explains most of each tensor: nothing, zeros, or one of the grids.

    Args:
        shares: Share of each tensor's elements that each of these explains, shape (2 + g, t).
        zeros: Share of each tensor's elements that were set to zero, shape (t,).
        same: Whether the values are equal.
        sizes: Positions of each tensor, shape (t,).
        names: Of the grids.
    """
    best, total = shares.argmax(0), sizes.sum()
    used = np.bincount(best, sizes, len(shares)) / total
    grid = int(used[2:].argmax())
    kind, grid_name = "cast", ""
    if used[2 + grid] > PART:
        kind, grid_name = "quantized", names[grid]
    elif used[1] > PART:
        kind = "pruned"
    elif same:
        kind = "same"
    explained = float((shares[best, np.arange(len(sizes))] * sizes).sum() / total)
    return CopyMatch(explained, kind, grid_name, float((zeros * sizes)[best == 1].sum() / total))


def _scale_error(grid: str, quantized: Floats) -> Floats:
    """What rounding the scale to 16 bits moves: a part of the value, or of the block's offset where it has one."""
    size = np.abs(quantized).max(-1, keepdims=True) if grid in ("Q4_1", "Q5_1") else np.abs(quantized)
    return np.asarray(size * np.float32(_SCALE_ROUNDING))


def detect_grids(vectors: Vectors) -> list[str]:
    """Return the grid that each model's values lie on already, or nothing."""
    out = ["" if dtype in FLOAT_DTYPES else dtype for dtype in vectors.main_dtype]
    floats = [model for model, grid in enumerate(out) if not grid]
    # So many at once that numbers stay in the processor's cache, and that numpy's own time does not count.
    for start in range(0, len(floats), BATCH_MODELS):
        models = floats[start : start + BATCH_MODELS]
        for model, grid in zip(models, _detect_batch(vectors, models), strict=True):
            out[model] = grid
    return out


def _detect_batch(vectors: Vectors, models: Sequence[int]) -> list[str]:
    """Return the first grid that each of some models' values lie on, or nothing."""
    out = [""] * len(models)
    for name, on in _tensors_on_grids(vectors, models):
        for place in np.flatnonzero(on.mean(1) > 0.5):
            out[place] = out[place] or name
    return out


def _tensors_on_grids(vectors: Vectors, models: Sequence[int]) -> Iterator[tuple[str, Flags]]:
    """Yield each grid, and which tensors of some models have their values on it, shape (models, t)."""
    values, sides = vectors.values[models], (vectors.row_max[models].reshape(-1), vectors.block_max[models].reshape(-1))
    fine = rounding_error(vectors, values, models) + _scale_error("", values)
    largest = np.maximum.reduceat(np.abs(values).max(2), vectors.starts, axis=1)
    bound = 0.25 * np.repeat(largest, vectors.sizes.astype(np.int64), axis=1)
    for name, flat in quantize(values.reshape(-1, RUN_LENGTH), *sides).items():
        made = flat.reshape(values.shape)
        # Small codes only: the rounding of the stored type hides the grid of large ones.
        small = (np.abs(made) < bound[..., None]) & (made != 0)
        near = small & (np.abs(values - made) <= fine)
        hit, of = (np.add.reduceat(count_flags(each), vectors.starts, axis=1) for each in (near, small))
        yield name, hit > 0.9 * of


def tensors_on_grid(vectors: Vectors, model: int, grid: str) -> Flags:
    """Return which tensors of a quantized model have their values on its grid, shape (names,)."""
    if grid == vectors.main_dtype[model]:
        return np.array([dtype not in FLOAT_DTYPES for dtype in vectors.dtypes[model]])
    out = np.zeros(len(vectors.names), bool)
    out[vectors.tensor[vectors.starts]] = next(
        on[0] for name, on in _tensors_on_grids(vectors, [model]) if name == grid
    )
    return out


def is_eight_bit(grid: str) -> bool:
    """Whether a grid has eight bits a value."""
    return grid in ("I8", "Q8_0") or grid.startswith("int8")


def storage_noise(vectors: Vectors, model: int, grid: str) -> Floats:
    """Return the variance that storing a model, on its grid where it has one, added to each element, shape (p, 32)."""
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
