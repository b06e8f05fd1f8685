"""Whether a quantized file was made from a certain model: a test that needs no copy of the quantizer.

Round-to-nearest stores, for each weight, the nearest of the levels of its block. So in a true copy each weight of the
original lies nearest to the level that the copy has there. A model that was trained on moves weights across the middle
between two levels. With `E|δ|` the mean move and d the step, it is a share of about `E|δ| / d` of them. No parameter of
the quantizer is needed: the levels of a block are read from the copy itself.

Levels are those that a group of weights with one scale shows. Where they are multiples of one step, the step gives the
levels between them (`round(w / d)`, as in `quantize_row_q4_K_ref` and its siblings of ggml-quants). Beyond the
outermost levels of a group nothing is tested, as values are clipped there.

Formats that choose levels jointly (codebooks of several weights, error feedback as in GPTQ) put weights on other levels
than the nearest. Those are not comparable by this test.
"""

from __future__ import annotations

from collections.abc import Set
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
import numpy.typing as npt

from atlas_db.core.arrays import Doubles, Flags, Floats, Integers
from ingest.formats.matrix import RUN_LENGTH
from ingest.weights.fingerprints.fingerprint import Sample
from ingest.weights.pairwise.quantization_grid import CopyMatch
from ingest.weights.parameters.quantized_parameters import QUANTIZED
from ingest.weights.samples.aligned_samples import FLOAT8_DTYPES, Vectors, shared_positions

GROUPS_OF_16 = frozenset({"Q2_K", "Q3_K", "Q6_K", "NVFP4"})
"""Types with a scale for 16 weights. The others have one for 32 or more."""
UNEVEN_LEVELS = frozenset({"IQ4_NL", "IQ4_XS", "NF4", "FP4", "MXFP4", "NVFP4", *FLOAT8_DTYPES})
"""Types whose levels are no multiples of one step."""
JOINT_LEVELS = frozenset({"IQ1_S", "IQ1_M", "IQ2_XXS", "IQ2_XS", "IQ2_S", "IQ3_XXS", "IQ3_S", "MXFP4", "NVFP4"})
"""Types whose levels are chosen jointly for several weights, or whose scale is not the one that rounding used."""


ROUNDED_BIASES = frozenset({"MLX2", "MLX3", "MLX4", "MLX5", "MLX6", "MLX8"})
"""Types of levels from a bias on, whose bias and step are rounded after the levels were chosen. That moves a weight
however small it is, in 8 bits by up to half a level (affine groups of mlx)."""
NEAREST_LEVELS = frozenset({
    "Q1_0", "Q2_K", "Q3_K", "Q4_0", "Q4_1", "Q4_K", "Q5_0", "Q5_1", "Q5_K", "Q6_K", "Q8_0", "IQ4_NL", "IQ4_XS",
    "TQ1_0", "TQ2_0", "NF4", "FP4", "INT8", *FLOAT8_DTYPES,
})  # fmt: skip
"""Types that are always rounded to the nearest level. Packed integers of other formats may have been calibrated."""


UNSURE_PACKING = frozenset({"U4", "I8"})
"""Types that files do not state in full: a cosine near 0 may come from reading them wrongly."""
WHOLE_FLOATS = ("F64", "F32", "BF16", "F16")
"""Types of models that are not quantized."""


class Verification(StrEnum):
    """Answer to the question whether a model was quantized from another."""

    VERIFIED = "verified"
    NOT_VERIFIED = "not_verified"
    NOT_COMPARABLE = "not_comparable"


@dataclass(frozen=True, slots=True)
class QuantizedFrom:
    """Whether a model was quantized from another, and why.

    Attributes:
        verification: The answer.
        reasons: Why, in sentences.
        least_change: Mean change of a weight, over the mean weight, from which training would have been noticed; 0
            where nothing was verified.
        test: What was measured.
    """

    verification: Verification
    reasons: tuple[str, ...]
    least_change: float
    test: LevelTest


@dataclass(frozen=True, slots=True)
class LevelTest:
    """How the weights of an original lie between the levels of a copy.

    Attributes:
        tested: Weights with a level beside their own.
        crossed: Those that lie nearer to another level than to the copy's.
        step: Mean distance to the nearest level beside the copy's, over the mean magnitude of the weights.
        cosine: Of the two samples over all compared weights.
        dtype: Type of most of the copy's tensors.
        tensors: Names of the tensors that were compared.
        positions: Positions that were compared, 32 weights each.
    """

    tested: int
    crossed: int
    step: float
    cosine: float
    dtype: str
    tensors: tuple[str, ...]
    positions: int

    @property
    def crossed_share(self) -> float:
        """Share of the tested weights that lie nearer to another level, 0..1."""
        return self.crossed / max(self.tested, 1)


def measure_levels(copy: Sample, original: Sample, dtype: str) -> LevelTest:
    """Compare a quantized model with a possible original, weight by weight.

    Args:
        copy: Sample of the quantized model.
        original: Sample of the possible original, at the same positions where both have them.
        dtype: Type of most of the copy's elements.

    Returns:
        The counts; none tested where the two share no quantized tensor.
    """
    shared = shared_positions([copy, original])
    if len(shared.members) < 2:
        return LevelTest(0, 0, 0.0, 0.0, dtype, (), 0)
    stored = dict(zip(copy.names, copy.dtypes, strict=True))
    names = [shared.names[each] for each in shared.tensor.tolist()]
    types = np.array([stored[name] for name in names])
    packed = ~np.isin(types, WHOLE_FLOATS)
    values = shared.values()
    tested, crossed, steps, size = _count_by_type(values[1], values[0], types, set(types[packed].tolist()))
    both = values[:, packed].reshape(2, -1).astype(np.float64)
    length = float(np.linalg.norm(both[0]) * np.linalg.norm(both[1]))
    cosine = float(both[0] @ both[1]) / length if length else 0.0
    read = tuple(sorted({name for name, each in zip(names, packed.tolist(), strict=True) if each}))
    return LevelTest(tested, crossed, steps / size if size else 0.0, cosine, dtype, read, int(packed.sum()))


def decide_quantized(test: LevelTest) -> QuantizedFrom:
    """Return whether a copy was quantized from an original, by what `measure_levels` found."""
    if test.dtype in WHOLE_FLOATS:
        return _not_comparable(test, f"The copy is stored as {test.dtype}, which is not quantized.")
    if not test.positions:
        return _not_comparable(test, "The two share no quantized tensor of the same name and width.")
    if test.cosine < QUANTIZED.min_related_cosine and test.dtype in UNSURE_PACKING:
        reason = f"Weights of the type {test.dtype} are packed in several ways, and this one may have been misread."
        return _not_comparable(test, reason)
    if test.cosine < QUANTIZED.min_related_cosine:
        reason = f"The weights of the two are unrelated: their cosine is {test.cosine:.2f}."
        return QuantizedFrom(Verification.NOT_VERIFIED, (reason,), 0.0, test)
    if test.dtype in JOINT_LEVELS:
        reason = f"{test.dtype} chooses levels for several weights at once: no single weight shows its original."
        return _not_comparable(test, reason)
    if test.tested < QUANTIZED.min_tested:
        return _not_comparable(
            test, f"Only {test.tested:,} weights can be tested; {QUANTIZED.min_tested:,} are needed."
        )
    found = f"{test.crossed:,} of {test.tested:,} tested weights lie nearer to another level than the copy has."
    if test.crossed_share <= QUANTIZED.max_crossed:
        least = QUANTIZED.max_crossed * test.step + QUANTIZED.rounding_slack
        return QuantizedFrom(Verification.VERIFIED, (found,), least, test)
    if test.dtype in NEAREST_LEVELS:
        limit = f"A true copy in {test.dtype} has at most {QUANTIZED.max_crossed:.1%} of them."
        return QuantizedFrom(Verification.NOT_VERIFIED, (found, limit), 0.0, test)
    return _not_comparable(test, found, f"Calibrated rounding, which {test.dtype} may have, leaves as many.")


def _not_comparable(test: LevelTest, *reasons: str) -> QuantizedFrom:
    return QuantizedFrom(Verification.NOT_COMPARABLE, reasons, 0.0, test)


def match_levels(vectors: Vectors, copy: int, originals: Integers) -> list[CopyMatch]:
    """Return how well each of some models explains a quantized one, by the levels of the quantized one itself.

    Unlike `quantization_grid.match_quantization` it needs to know no grid, so it serves all types but those whose
    levels are chosen jointly.

    Args:
        vectors: The family, with columns in the order of the files.
        copy: Row of the quantized model.
        originals: Rows of possible originals, shape (k,).

    Returns:
        One match a possible original; nothing is explained where too few weights can be tested.
    """
    types = np.array(vectors.dtypes[copy])[vectors.tensor]
    testable = set(types.tolist()) - JOINT_LEVELS - set(WHOLE_FLOATS)
    out = []
    for other in originals.tolist():
        tested, crossed, _, _ = _count_by_type(vectors.values[other], vectors.values[copy], types, testable)
        explained = 1 - crossed / tested if tested >= QUANTIZED.min_tested else 0.0
        out.append(CopyMatch(explained, "quantized", vectors.main_dtype[copy], 0.0))
    return out


def _count_by_type(
    original: Floats, copy: Floats, types: npt.NDArray[np.str_], wanted: Set[str]
) -> tuple[int, int, float, float]:
    """Return the sums of `_count` over the positions of some types.

    Shapes:
        - **original, copy:** (p, 32).
        - **types:** (p,).
    """
    tested, crossed, steps, size = 0, 0, 0.0, 0.0
    for kind in sorted(wanted):
        at = types == kind
        counted = _count(original[at], copy[at], kind)
        tested, crossed, steps, size = tested + counted[0], crossed + counted[1], steps + counted[2], size + counted[3]
    return tested, crossed, steps, size


def _count(original: Floats, copy: Floats, kind: str) -> tuple[int, int, float, float]:
    """Return tested and crossed weights, the sum of their steps, and that of their magnitudes.

    Shapes:
        - **original, copy:** (p, 32).
    """
    width = 16 if kind in GROUPS_OF_16 else RUN_LENGTH
    theirs, ours = original.reshape(-1, width), copy.reshape(-1, width)
    below, above = _gaps(ours, even=kind not in UNEVEN_LEVELS)
    moved = (theirs - ours).astype(np.float64)
    # A bias of at most the largest magnitude m and a range of at most 2 m, each within half a unit in the last place.
    size = 1.5 * np.abs(ours).max(1, keepdims=True) if kind in ROUNDED_BIASES else np.abs(theirs)
    slack = size.astype(np.float64) * QUANTIZED.rounding_slack
    up, down = np.isfinite(above), np.isfinite(below)
    beyond = (up & (moved - slack > above / 2)) | (down & (-moved - slack > below / 2))
    tested = up | down
    nearest = np.minimum(above, below)[tested]
    return int(tested.sum()), int((beyond & tested).sum()), float(nearest.sum()), float(np.abs(theirs[tested]).sum())


def _gaps(levels: Floats, *, even: bool) -> tuple[Doubles, Doubles]:
    """Return the distances of each value to the next level below and above it; infinity where a group has none.

    Shapes:
        - **levels:** (groups, width).
        - **output:** twice the same.
    """
    values = levels.astype(np.float64)
    order = np.argsort(values, 1)
    ranked = np.take_along_axis(values, order, 1)
    least = np.abs(ranked).max(1, keepdims=True) * QUANTIZED.equal_levels
    gaps = np.diff(ranked, axis=1)
    new = gaps > least
    above, below = np.full(ranked.shape, np.inf), np.full(ranked.shape, np.inf)
    for at in range(ranked.shape[1] - 2, -1, -1):
        above[:, at] = np.where(new[:, at], gaps[:, at], above[:, at + 1])
    for at in range(1, ranked.shape[1]):
        below[:, at] = np.where(new[:, at - 1], gaps[:, at - 1], below[:, at - 1])
    if even:
        step = np.where(new, gaps, np.inf).min(1, keepdims=True)
        regular = _multiples(gaps, step, new)
        above = np.where(regular & np.isfinite(above), step, above)
        below = np.where(regular & np.isfinite(below), step, below)
    back = np.argsort(order, 1)
    return np.take_along_axis(below, back, 1), np.take_along_axis(above, back, 1)


def _multiples(gaps: Doubles, step: Doubles, new: Flags) -> Flags:
    """Return whether all gaps of a group are multiples of its step, shape (groups, 1)."""
    with np.errstate(invalid="ignore", divide="ignore"):
        ratio = np.where(new & np.isfinite(step), gaps / step, 0.0)
    return np.asarray((np.abs(ratio - np.rint(ratio)) < QUANTIZED.level_error).all(1, keepdims=True))
