"""Tuned constants of the tests of two or three models."""

from __future__ import annotations

from dataclasses import dataclass

from atlas_db.core.parameters import parameter

_FAMILIES = "chosen on generated families (seeds not recorded)"
_WORK = "chosen: bounds the work of one test"
_DECAY = "families by real tools, seeds 12 and 13: no step without heavy decay passes, both with it do"
_ROUNDING = "chosen: above what rounding alone leaves"


@dataclass(frozen=True, slots=True)
class PairwiseParameters:
    """Tests of two or three models.

    Attributes:
        max_precedence_log_odds: Bound on the log-odds of one model's coming before another.
        max_tensor_slope: Bound on the deviation of one tensor's containment, over the squared relative distance.
        max_total_slope: Deviation over all tensors, over the squared relative distance, below which it counts as none.
        least_sq_difference: Squared distance of a tensor over its squared norm, above which the tensor differs.
        least_noise_shrinkage: Relative growth that noise alone makes, seen from a child, in units of the noise, at
            least.
        min_decay_over_noise: Shrinkage of a model in units of what noise alone makes, above which it counts as decay;
            from one unit more on in full.
        growth_variation: Standard deviation over the mean of growth in single tensors, where learning makes it.
        min_common_factor_log_odds: Log-odds of one factor in all tensors from which decay is likelier than not.
        max_regression_steps: Steps in one system of joint regression.
        regression_ridge: Ridge of the joint regression, as a share of each residual's energy.
        half_reliability_error: Standard error at which a step has reliability 1/2.
        min_rank_rows: Rows that a block needs for its rank.
        max_rank_tensors: Tensors whose difference is decomposed.
        max_rank_share: Rank over the full rank, below which a difference is of low rank.
        min_agreeing_ranks: Share of the blocks whose rank is the median, give or take one.
        rank_noise_margin: Singular values count from so many times the noise edge on.
        min_cast_distance: Steps of the child's own grid by which training has to move a position to be evidence.
        min_copy_share: Share of elements that a quantized, pruned or cast copy explains, at least.
        min_pruned_share: Share of a tensor's elements set to zero from which it counts as pruned.
        min_grid_share: Share of the positions on a grid, or pruned, from which the copy is of that kind.
        min_equal_share: Share of equal elements from which two models are equal.
        small_code_share: Part of a tensor's largest magnitude below which a code is small enough to show its grid.
        min_grid_hits: Share of the small codes that lie on a grid, above which a tensor is on it.
        min_grid_tensors: Share of the tensors on a grid, above which a model is on it.
        low_rank_log_error: Log standard error of a share above which the residual is of low rank.
        min_position_distance: Squared distance at a position over those of both ends of a residual, at least.
        min_tensor_energy: Share of a residual's energy in a tensor from which the tensor counts.
        min_tensor_share: Least share of a residual in one tensor.
        max_tensor_share: Greatest share of a residual in one tensor.
        untrained_rounding: Relative deviation that the arithmetic of weight decay makes in an untrained row.
        max_row_deviation: Squared deviation of a row over the rounding error, up to which it is only scaled.
        min_decay_factor: Least factor that weight decay scales a row by.
        max_decay_factor: Greatest factor, where the two models are exchanged.
    """

    max_precedence_log_odds: float = parameter(
        4.5, "log-odds", "generated families (seeds 444 to 487): beyond it 1 % are wrong, at any size"
    )
    max_tensor_slope: float = parameter(3.0, "1", _FAMILIES)
    max_total_slope: float = parameter(1 / 3, "1", _FAMILIES)
    least_sq_difference: float = parameter(1e-12, "1", _ROUNDING)
    least_noise_shrinkage: float = parameter(0.05, "1", _DECAY)
    min_decay_over_noise: float = parameter(2.5, "1", _DECAY)
    growth_variation: float = parameter(0.7, "1", _DECAY)
    min_common_factor_log_odds: float = parameter(3.0, "log-odds", _DECAY)
    max_regression_steps: int = parameter(48, "steps", _WORK)
    regression_ridge: float = parameter(0.02, "1", _FAMILIES)
    half_reliability_error: float = parameter(0.2, "1", _FAMILIES)
    min_rank_rows: int = parameter(16, "rows", _FAMILIES)
    max_rank_tensors: int = parameter(12, "tensors", _WORK)
    max_rank_share: float = parameter(0.75, "1", _FAMILIES)
    min_agreeing_ranks: float = parameter(0.8, "1", _FAMILIES)
    rank_noise_margin: float = parameter(1.2, "1", _FAMILIES)
    min_cast_distance: float = parameter(
        0.5, "grid steps", "by definition: rounding takes smaller moves back to the cast's own values"
    )
    min_copy_share: float = parameter(0.9, "1", "generated families: related models stay below, clipping leaves more")
    min_pruned_share: float = parameter(0.02, "1", _FAMILIES)
    min_grid_share: float = parameter(0.2, "1", _FAMILIES)
    min_equal_share: float = parameter(0.999, "1", _FAMILIES)
    small_code_share: float = parameter(0.25, "1", "chosen: rounding of the stored type hides the grid of large codes")
    min_grid_hits: float = parameter(0.9, "1", _FAMILIES)
    min_grid_tensors: float = parameter(0.5, "1", "chosen: more than half")
    low_rank_log_error: float = parameter(-0.7, "log", _FAMILIES)
    min_position_distance: float = parameter(1e-6, "1", _ROUNDING)
    min_tensor_energy: float = parameter(1e-6, "1", _ROUNDING)
    min_tensor_share: float = parameter(-1.0, "1", _ROUNDING)
    max_tensor_share: float = parameter(3.0, "1", _ROUNDING)
    untrained_rounding: float = parameter(2.0**-16, "1", "each step of weight decay is rounded")
    max_row_deviation: float = parameter(2.0, "1", "the mean of 32 elements stays well below it")
    min_decay_factor: float = parameter(0.5, "1", _FAMILIES)
    max_decay_factor: float = parameter(2.0, "1", "by definition: one over the least factor")


PAIRWISE = PairwiseParameters()
