"""Tuned constants of sampling, alignment and clustering."""

from __future__ import annotations

from dataclasses import dataclass

from atlas_db.core.parameters import parameter

_WORK = "chosen: bounds the work and the size of a fingerprint"
_FAMILIES = "chosen on generated families (seeds not recorded)"


@dataclass(frozen=True, slots=True)
class SampleParameters:
    """Samples of weights, their alignment, and families.

    Attributes:
        fingerprint_positions: Positions of a fingerprint, 32 elements each.
        detail_positions: Positions of a sample that is read again for the chart.
        max_moment_tensors: Tensors of a model whose moments are kept.
        moment_elements: Elements of a tensor that its moments are computed from, where it has so many.
        large_model_bytes: Bytes of a model above which fewer rows are read for moments.
        large_model_row_stride: One in so many rows of a tensor is read for moments of such a model.
        min_shared_positions: Share of the usual positions that a model needs to be aligned with others.
        min_shared_tensors: Share of the smaller shape's tensors in blocks that two shapes share to be compared.
        min_cosine_deviations: Standard errors of the cosine of independent elements, from which shapes are related.
        layer_positions: Positions of each matrix that the digest of a layer is made from.
        max_stacked_models: Models whose layers a stack is made of, at most.
        max_other_shapes: Models of another shape that a model is compared with, the nearest.
        max_joined_models: Models of all other shapes that are weighed together, the nearest.
        min_joined_share: Share of the tensors that a model shares with one shape, which it has to share with another
            for both to be weighed together.
        min_finite_positions: Share of a model's positions that has to be finite, without NaN and infinity.
        min_related_cosine: Cosine of the samples above which two models are related.
        min_vocabulary_cosine: Cosine of the vocabulary's tensors alone above which two models are related.
        leader_cosine: Cosine from which one model represents another in leader clustering.
        max_permuted_ratio: Cosine of all other tensors over that of the vocabulary, below which units are permuted.
        min_match_cosine: Median cosine of matched units, at least.
        min_agreeing_units: Share of each group's units that two equal permutations have in common, at least.
        max_alignment_bytes: Bytes of a model up to which its units are matched.
        match_columns: Columns of each row that units are matched by.
    """

    fingerprint_positions: int = parameter(144, "positions", _WORK)
    detail_positions: int = parameter(4096, "positions", _WORK)
    max_moment_tensors: int = parameter(240, "tensors", _WORK)
    moment_elements: int = parameter(16384, "elements", _WORK)
    large_model_bytes: int = parameter(256 * 2**20, "bytes", _WORK)
    large_model_row_stride: int = parameter(200, "rows", _WORK)
    min_shared_positions: float = parameter(0.5, "1", "chosen: more than half")
    min_shared_tensors: float = parameter(0.25, "1", "chosen: attention alone is half of a block's matrices")
    min_cosine_deviations: float = parameter(10.0, "standard errors", "chosen: one false link in 1e23 pairs")
    layer_positions: int = parameter(4, "positions", "chosen: 128 weights of each matrix")
    max_stacked_models: int = parameter(6, "models", "chosen: known stacks are made of five at most")
    max_other_shapes: int = parameter(12, "models", "chosen: a parent and its nearest relatives")
    max_joined_models: int = parameter(48, "models", _WORK)
    min_joined_share: float = parameter(0.5, "1", "chosen: most of what is compared stays")
    min_finite_positions: float = parameter(0.5, "1", "chosen: more than half")
    min_related_cosine: float = parameter(0.15, "1", "ten standard errors of the cosine of 4,608 independent elements")
    min_vocabulary_cosine: float = parameter(0.6, "1", _FAMILIES)
    leader_cosine: float = parameter(0.5, "1", "chosen: well above unrelated models, below close relatives")
    max_permuted_ratio: float = parameter(0.9, "1", _FAMILIES)
    min_match_cosine: float = parameter(0.5, "1", _FAMILIES)
    min_agreeing_units: float = parameter(0.5, "1", _FAMILIES)
    max_alignment_bytes: int = parameter(2 * 2**30, "bytes", "chosen: matching reads every layer")
    match_columns: int = parameter(256, "columns", _WORK)


SAMPLE = SampleParameters()
