"""Tuned constants of merge search, by method."""

from __future__ import annotations

from dataclasses import dataclass

from atlas_db.core.parameters import parameter

_FAMILIES = "chosen on generated families (seeds not recorded)"
_MERGEKIT = "merges of two generated families by mergekit 0.1.5 (llama and gpt2, seed 1)"
_ROUNDINGS = "chosen: five roundings of half a unit each, within the computation"
_WORK = "chosen: bounds the work of one search"


@dataclass(frozen=True, slots=True)
class TiesDareParameters:
    """Detection of TIES and DARE by the elements that equal a sum or mean of task vectors.

    Attributes:
        max_bases: Bases that are tried.
        max_likely_parents: Models among which the first two or three parents are searched.
        max_parents: Parents of one merge.
        search_elements: Changed elements that the search looks at; the result is checked on all.
        min_base_share: Share of elements that a merge leaves exactly at the base's value, at least.
        max_base_share: Share of a tensor's elements at the base's value from which the tensor counts as unchanged.
        min_base_tensors: Share of tensors whose share of base values lies between these two.
        min_elements: Elements with a usable ratio that are needed.
        min_delta: Task vectors are usable from so many times the rounding error on.
        max_log_ratio: Bound on the log ratio of the child's task vector to a parent's.
        min_bin_width: Smallest width of a bin of log ratios.
        max_peaks: Peaks of a parent's log ratios that are tried as the scale.
        min_peak_share: Share of the elements with a ratio by which a peak exceeds its surroundings, at least.
        min_peak_elements: Elements by which a peak exceeds its surroundings, at least.
        rounding_factor: Rounding errors that an explained element may be off.
        relative_tolerance: Further part of its value that an explained element may be off.
        max_chance: Width of all explanations over the element's size from which a match may be chance.
        min_mixed_share: Share of informative elements that only a combination of several parents explains, at least.
        share_tolerance: Share of informative elements within which two explanations count as equally good.
        max_remaining: Part of the unexplained elements that a further parent leaves unexplained at most.
        min_gain: Share of all elements that a further parent explains in addition.
        min_informative_share: Share of informative elements that has to be explained.
        min_share: Share of all changed elements that has to be explained.
    """

    max_bases: int = parameter(4, "models", _WORK)
    max_likely_parents: int = parameter(5, "models", _WORK)
    max_parents: int = parameter(4, "models", _WORK)
    search_elements: int = parameter(8192, "elements", _WORK)
    min_base_share: float = parameter(0.005, "1", "three task vectors of density 2/3 leave 1/27")
    max_base_share: float = parameter(0.97, "1", _FAMILIES)
    min_base_tensors: float = parameter(0.7, "1", _FAMILIES)
    min_elements: int = parameter(50, "elements", _FAMILIES)
    min_delta: float = parameter(12.0, "rounding errors", _FAMILIES)
    max_log_ratio: float = parameter(2.0, "1", _FAMILIES)
    min_bin_width: float = parameter(0.004, "1", _FAMILIES)
    max_peaks: int = parameter(3, "peaks", _WORK)
    min_peak_share: float = parameter(0.02, "1", _FAMILIES)
    min_peak_elements: int = parameter(12, "elements", _FAMILIES)
    rounding_factor: float = parameter(1.5, "rounding errors", _FAMILIES)
    relative_tolerance: float = parameter(0.004, "1", _FAMILIES)
    max_chance: float = parameter(0.3, "1", _FAMILIES)
    min_mixed_share: float = parameter(0.03, "1", "at scale 1 a parent's own values also fit a common ancestor as base")
    share_tolerance: float = parameter(0.02, "1", _FAMILIES)
    max_remaining: float = parameter(0.25, "1", _FAMILIES)
    min_gain: float = parameter(0.002, "1", _FAMILIES)
    min_informative_share: float = parameter(
        0.95, "1", "generated families: .98 and more of merges, up to .88 of others"
    )
    min_share: float = parameter(0.9, "1", "on coarse grids chance explains informative elements")


@dataclass(frozen=True, slots=True)
class TiesReconstructionParameters:
    """Reconstruction of TIES merges that were quantized.

    Attributes:
        max_parents: Models nearest to the child that may be parents.
        max_bases: Models nearest to the child that may be the base.
        search_positions: Positions that all pairs are tried on.
        densities: Densities that are tried first.
        density_step: Step of the refined densities.
        density_window: Distance of the refined densities from the best first one, at most.
        max_refined: Best combinations that are refined.
        min_scale: Least scale of a merge.
        max_scale: Greatest scale of a merge.
    """

    max_parents: int = parameter(12, "models", _WORK)
    max_bases: int = parameter(24, "models", _WORK)
    search_positions: int = parameter(512, "positions", _WORK)
    densities: tuple[float, ...] = parameter((0.2, 0.35, 0.5, 0.65, 0.8), "1", "chosen: spread over the usual range")
    density_step: float = parameter(0.01, "1", _WORK)
    density_window: float = parameter(0.15, "1", "by definition: the step of the first densities")
    max_refined: int = parameter(6, "combinations", _WORK)
    min_scale: float = parameter(0.2, "1", "chosen: smaller scales leave nearly the base")
    max_scale: float = parameter(2.0, "1", "chosen: greater scales are not in use")


@dataclass(frozen=True, slots=True)
class QuantizedMergeParameters:
    """Merges that were quantized afterwards.

    Attributes:
        max_subsets: Subsets of each size that are predicted in full.
        newton_steps: Newton steps towards the shared fraction of a SLERP merge.
        newton_difference: Difference of fractions that the slope is taken over.
        unquantized_ratio: Squared residual of a tensor's own factors over that of the shared fraction, below which the
            tensor was not quantized.
        share_tolerance: Share explained within which the smallest subset is taken.
        min_coarse_share: Share that a linear or SLERP merge on fewer than eight bits explains at least.
        min_ties_share: Share that a TIES merge on eight bits explains at least.
        min_coarse_ties_share: Share that a TIES merge on fewer bits explains at least.
    """

    max_subsets: int = parameter(8, "subsets", _WORK)
    newton_steps: int = parameter(4, "steps", "chosen: converged on generated families")
    newton_difference: float = parameter(1e-3, "1", "chosen: above rounding, below curvature")
    unquantized_ratio: float = parameter(0.1, "1", _FAMILIES)
    share_tolerance: float = parameter(0.01, "1", _FAMILIES)
    min_coarse_share: float = parameter(0.985, "1", "generated families: .995 and more of merges, up to .981 of others")
    min_ties_share: float = parameter(
        0.87,
        "1",
        "21 merges of generated families: .88 and more; DARE up to .57 (seeds 512, 582, 586, 588, 597, 600, 601)",
    )
    min_coarse_ties_share: float = parameter(
        0.93, "1", "the same families: .946 and more of merges, up to .883 of trained models of four bits"
    )


@dataclass(frozen=True, slots=True)
class TensorWeightsParameters:
    """Merges whose weights differ from tensor to tensor.

    Attributes:
        beam_width: Sets of one size that are extended.
        max_models: Models of a set at most, the origin among them.
        max_fits: Sets of each size that are fitted.
        search_elements: Elements that weights a tensor are fitted on.
        row_search_elements: Elements that weights a row are fitted on.
        max_mean_square: Mean squared residual in units of the rounding noise up to which a fit is exact.
        loose_residual_ratio: Squared residual, over that of the nearest model, up to which a fit is a merge.
        max_row_hull_ratio: Squared distance to the hull of all near models, over that of the nearest one. Both have
            weights a tensor. Above it no weights a row are tried.
        min_distance: Mean squared distance of two inputs, in units of a fit's residual, from which they are distinct.
        whole_weight_tolerance: Distance from 0 or 1 within which a tensor is taken from one input as it is.
        min_whole_share: Share of tensors that are taken from one input as they are, in a stack of layers.
        weight_tolerance: Scatter of a recipe's parameter over tensors within which it is one number.
        most_tensors: Share of tensors that scatter is taken over, the least scattered.
        max_partial_mean_square: Mean squared residual of a tensor that shows a partial merge, in units of the noise.
        max_partial_ratio: Its squared residual over the squared distance to the nearer of both parents.
        max_decay_cosine: Cosine of a difference with the tensor itself from which it counts as weight decay.
        constant_weight_tolerance: Scatter of the weights themselves over tensors within which they are the same in all.
        row_weight_tolerance: Relative difference of two weights of a row within which they are equal.
        loose_complexity: Added to the complexity of a recipe where the fit leaves more than rounding.
        model_stock_tolerance: Median difference of a tensor's factor from Model Stock's formula.
        hull_ridge: Relative ridge where many models, some of them merges of others, are inverted at once.
    """

    beam_width: int = parameter(24, "sets", _WORK)
    max_models: int = parameter(5, "models", _WORK)
    max_fits: int = parameter(24, "sets", _WORK)
    search_elements: int = parameter(65536, "elements", _WORK)
    row_search_elements: int = parameter(32768, "elements", _WORK)
    max_mean_square: float = parameter(12.0, "1", _MERGEKIT)
    loose_residual_ratio: float = parameter(0.02, "1", _MERGEKIT)
    max_row_hull_ratio: float = parameter(0.3, "1", _MERGEKIT)
    min_distance: float = parameter(30.0, "1", "chosen: weights are then certain to a fifth")
    whole_weight_tolerance: float = parameter(1e-3, "1", _MERGEKIT)
    min_whole_share: float = parameter(0.98, "1", "by definition: all, and room for one tensor of many")
    weight_tolerance: float = parameter(0.02, "1", _MERGEKIT)
    most_tensors: float = parameter(0.75, "1", "chosen: bfloat16 moves the Karcher mean of few tensors far")
    max_partial_mean_square: float = parameter(4.0, "1", "by definition: the roundings of the merge and of its inputs")
    max_partial_ratio: float = parameter(2e-3, "1", _FAMILIES)
    max_decay_cosine: float = parameter(0.9, "1", "by definition: decay alone has 1, independent steps near 0")
    constant_weight_tolerance: float = parameter(0.004, "1", _MERGEKIT)
    row_weight_tolerance: float = parameter(0.1, "1", "chosen: 32 elements determine a weight so well in bfloat16")
    loose_complexity: float = parameter(10.0, "1", "by definition: above every recipe with few parameters")
    model_stock_tolerance: float = parameter(0.08, "1", _MERGEKIT)
    hull_ridge: float = parameter(1e-5, "1", "chosen: above the rounding of float32")


@dataclass(frozen=True, slots=True)
class ElementParameters:
    """Merges whose elements are each explained by some of the parents.

    Attributes:
        search_elements: Elements that the search looks at; the result is checked on all.
        max_bases: Bases that are tried.
        max_swapped: First models of a NearSwap that are tried.
        max_likely_parents: Models among which parents are searched.
        max_scales: Factors of one parent that are tried.
        max_parents: Parents that are combined, those that explain most alone.
        max_extended_pairs: Best pairs of these that are extended by a third.
        max_inputs: Inputs of a merge that elements are taken from, at most.
        max_finalists: Best explanations of the search that are fitted to all elements.
        min_equal_share: Share of elements that equal the base's, beyond what most models share, at least.
        min_rounded_share: Share of a float32 model's elements on bfloat16's grid from which its inputs were rounded.
        max_residual_of_three: Residual over the distance to the nearest model up to which three parents are named.
        max_zero_share: Share of zeros from which a model counts as pruned, and as no base.
        min_elements: Elements that a fit needs.
        min_tensor_elements: Elements that a tensor needs for a factor of its own.
        min_delta: Task vectors are usable from so many rounding errors on.
        max_log_ratio: Bound on the log ratio of the model's task vector to a parent's.
        min_bin_width: Smallest width of a bin of log ratios.
        min_peak_share: Share of the elements with a ratio by which a peak exceeds its surroundings, at least.
        min_peak_elements: Elements by which a peak exceeds its surroundings, at least.
        max_rescale: Relative difference of a tensor's factor from that of all, at most.
        coarse_windows: Relative differences within which elements agree with a factor, while searching.
        rounded_windows: The same, for the final factors in types of 16 bits.
        fine_windows: The same, when a tensor's factor is known.
        exact_windows: The same, up to rounding alone.
        densest_shares: Shares of some ratios whose shortest interval is looked at for the one that all follow.
        min_exact_share: Share of the ratios around a factor that equal it, where all tensors have the same.
        min_same_factor: Share of tensors that show the factor of all.
        same_factor_tolerance: Relative difference of the factors of most tensors within which all have the same.
        min_share: Weight of a parent in a mean of two, at least.
        rounding_factor: Rounding errors that an explained element may be off.
        swap_roundings: Rounding errors that a step of NearSwap may be off.
        relative_tolerance: Further part of its value that an explained element may be off, in float32.
        bfloat16_tolerance: The same in bfloat16.
        float16_tolerance: The same in float16.
        search_tolerance: The same while searching, as factors are not known well.
        max_chance: Width of all explanations over the element's size from which a match may be chance.
        min_chance: Share that chance explains, at least.
        certain_score: Mean share explained from which no further base is tried.
        max_left: Part of the unexplained elements that a further parent leaves unexplained at most.
        min_gain: Share of elements that a further parent explains in addition.
        min_explained: Share of informative elements that is explained in types of 16 bits.
        min_exact_explained: The same in float32.
        max_rounded_again: Share of elements that differ between a model of 16 bits and one that it was rounded from.
        min_near_share: Share of elements that are then off by one step at most.
        min_of_changed: Share of all changed elements that is explained, over the least share of informative ones.
        min_parent_share: Share of informative elements in which each parent takes part.
        max_opposed_share: Share of elements with opposed signs up to which their combinations are chance.
        rank_bins: Bins of the ranks of magnitude.
        outlier_rank: Rank from which an element is one of the greatest, which Breadcrumbs leave out.
        max_dropped_rate: Share of kept elements up to which a bin was dropped.
        sharp_rise: Rise of the share of kept elements, from the smallest to the greatest, that is a threshold.
        min_rise: The same that is a probability by rank.
        unit_factor_tolerance: Distance of a factor from one within which elements are a parent's own.
        energy_tolerance: Median difference of SCE's weights from the shares of energy.
    """

    search_elements: int = parameter(16384, "elements", _WORK)
    max_bases: int = parameter(3, "models", _WORK)
    max_swapped: int = parameter(16, "models", _WORK)
    max_likely_parents: int = parameter(5, "models", _WORK)
    max_scales: int = parameter(3, "factors", _WORK)
    max_parents: int = parameter(5, "models", _WORK)
    max_extended_pairs: int = parameter(3, "pairs", _WORK)
    max_inputs: int = parameter(4, "models", "by definition: a base and three parents")
    max_finalists: int = parameter(6, "explanations", _WORK)
    min_equal_share: float = parameter(0.004, "1", "three task vectors of density .8 leave .008")
    min_rounded_share: float = parameter(0.3, "1", "chosen: one in 65,536 by chance")
    max_residual_of_three: float = parameter(0.1, "1", _MERGEKIT)
    max_zero_share: float = parameter(0.05, "1", "chosen: trained weights are hardly ever zero")
    min_elements: int = parameter(50, "elements", _FAMILIES)
    min_tensor_elements: int = parameter(6, "elements", "chosen: their mean is certain to half a rounding")
    min_delta: float = parameter(12.0, "rounding errors", _FAMILIES)
    max_log_ratio: float = parameter(2.0, "1", _FAMILIES)
    min_bin_width: float = parameter(0.004, "1", _FAMILIES)
    min_peak_share: float = parameter(0.01, "1", _MERGEKIT)
    min_peak_elements: int = parameter(12, "elements", _FAMILIES)
    max_rescale: float = parameter(0.15, "1", "rescaled tensors of 2,000 elements and density .3 differ by .1")
    coarse_windows: tuple[float, ...] = parameter((0.1, 0.03, 0.01), "1", _WORK)
    rounded_windows: tuple[float, ...] = parameter((0.1, 0.05, 0.03, 0.015, 0.005), "1", _WORK)
    fine_windows: tuple[float, ...] = parameter((0.01, 0.003, 0.001, 0.0), "1", _WORK)
    exact_windows: tuple[float, ...] = parameter((0.0, 0.0), "1", "by definition: the error of rounding alone")
    densest_shares: tuple[float, ...] = parameter((0.003, 0.01, 0.03, 0.1), "1", _WORK)
    min_exact_share: float = parameter(0.5, "1", "where tensors differ it is .06 to .14, where they do not .8 to 1")
    min_same_factor: float = parameter(0.5, "1", "by definition: most tensors")
    same_factor_tolerance: float = parameter(1e-4, "1", _MERGEKIT)
    min_share: float = parameter(0.01, "1", "chosen: less is no parent")
    rounding_factor: float = parameter(1.5, "rounding errors", _FAMILIES)
    swap_roundings: float = parameter(4.0, "rounding errors", "by definition: two products and a sum")
    relative_tolerance: float = parameter(2e-5, "1", _MERGEKIT)
    bfloat16_tolerance: float = parameter(0.01, "1", _ROUNDINGS)
    float16_tolerance: float = parameter(0.002, "1", _ROUNDINGS)
    search_tolerance: float = parameter(0.01, "1", _WORK)
    max_chance: float = parameter(0.3, "1", _FAMILIES)
    min_chance: float = parameter(1e-4, "1", "by definition: rounding over the size of a change in float32")
    certain_score: float = parameter(0.99, "1", _MERGEKIT)
    max_left: float = parameter(0.5, "1", "three parents of bfloat16 explain by chance a third of what two leave")
    min_gain: float = parameter(0.005, "1", _MERGEKIT)
    min_explained: float = parameter(0.85, "1", _MERGEKIT)
    min_exact_explained: float = parameter(0.95, "1", _MERGEKIT)
    max_rounded_again: float = parameter(0.15, "1", "by definition: one in sixteen, and twice that for both roundings")
    min_near_share: float = parameter(0.999, "1", "by definition: all, and room for values near zero")
    min_of_changed: float = parameter(0.95, "1", _MERGEKIT)
    min_parent_share: float = parameter(0.01, "1", _MERGEKIT)
    max_opposed_share: float = parameter(0.03, "1", _MERGEKIT)
    rank_bins: int = parameter(20, "bins", "chosen")
    outlier_rank: float = parameter(0.995, "1", "mergekit's default leaves out one in a hundred")
    max_dropped_rate: float = parameter(0.1, "1", _MERGEKIT)
    sharp_rise: float = parameter(0.8, "1", _MERGEKIT)
    min_rise: float = parameter(0.1, "1", "DELLA's probabilities rise by twice epsilon, .3 by default")
    unit_factor_tolerance: float = parameter(0.005, "1", _MERGEKIT)
    energy_tolerance: float = parameter(0.05, "1", _MERGEKIT)


@dataclass(frozen=True, slots=True)
class MergeParameters:
    """Merge search.

    Attributes:
        search_positions: Positions that the search looks at.
        base_prefilter_stride: Every so many positions are used to discard models that cannot be the base.
        max_near_models: Nearest models that weights a tensor and elements are explained by.
        max_candidates: Models that may be parents, the nearest.
        beam_width: Subsets of one size that are extended.
        ridge: Ridge of the joint fit over the least squared distance.
        max_pair_residual_ratio: Squared residual of the best pair, over that of the nearest model, above which larger
            subsets are not tried.
        max_local_pair_ratio: The same above which no weights a tensor or row are tried.
        max_subset_residual_ratio: Squared residual that a subset may leave, over that of the nearest model.
        max_noise_chi2: Mean squared residual in units of the storage noise up to which a fit is exact.
        exact_residual_ratio: Squared residual, over that of the nearest model, up to which a fit is exact, whatever the
            noise.
        min_noise_separation: The nearest model's mean square over the fit's, at least.
        max_residual_ratio: Squared residual, over that of the nearest model, above which a fit is no merge, however
            coarse its type.
        min_weight: Weights below it count as none.
        max_task_weight: Weight of a task vector up to which unequal ones may leave the base a negative weight.
        max_weight: Greatest weight of a parent.
        equal_weight_tolerance: Difference within which weights count as equal.
        max_slerp_pairs: Pairs that SLERP is fitted to.
        max_slerp_residual_ratio: Squared residual, over that of the nearest model, up to which a SLERP fit is exact.
        min_slerp_angle: Angle below which SLERP is linear interpolation.
        ties_dare: Detection of TIES and DARE.
        ties_reconstruction: Reconstruction of quantized TIES merges.
        quantized: Other quantized merges.
        tensor_weights: Merges whose weights differ from tensor to tensor.
        elements: Merges whose elements are each explained by some of the parents.
    """

    search_positions: int = parameter(256, "positions", _WORK)
    base_prefilter_stride: int = parameter(6, "positions", _WORK)
    max_near_models: int = parameter(64, "models", _WORK)
    max_candidates: int = parameter(128, "models", _WORK)
    beam_width: int = parameter(40, "subsets", _WORK)
    ridge: float = parameter(1e-3, "1", "chosen: far below the residuals that are compared")
    max_pair_residual_ratio: float = parameter(
        0.92, "1", "generated families: merges of three leave 1/4, task vectors of three 2/3, fine-tunes nearly all"
    )
    max_local_pair_ratio: float = parameter(0.97, "1", _MERGEKIT)
    max_subset_residual_ratio: float = parameter(0.2, "1", _FAMILIES)
    max_noise_chi2: float = parameter(2.5, "1", _FAMILIES)
    exact_residual_ratio: float = parameter(1e-6, "1", _FAMILIES)
    min_noise_separation: float = parameter(3.0, "1", _FAMILIES)
    max_residual_ratio: float = parameter(0.1, "1", _FAMILIES)
    min_weight: float = parameter(0.04, "1", _FAMILIES)
    max_task_weight: float = parameter(0.97, "1", "by definition: below one, with room for rounding")
    max_weight: float = parameter(1.01, "1", "by definition: 1, and room for rounding")
    equal_weight_tolerance: float = parameter(0.02, "1", _FAMILIES)
    max_slerp_pairs: int = parameter(12, "pairs", _WORK)
    max_slerp_residual_ratio: float = parameter(1e-4, "1", _FAMILIES)
    min_slerp_angle: float = parameter(1e-3, "radians", "chosen: the two formulas agree in float32 below it")
    ties_dare: TiesDareParameters = TiesDareParameters()
    ties_reconstruction: TiesReconstructionParameters = TiesReconstructionParameters()
    quantized: QuantizedMergeParameters = QuantizedMergeParameters()
    tensor_weights: TensorWeightsParameters = TensorWeightsParameters()
    elements: ElementParameters = ElementParameters()


MERGE = MergeParameters()
