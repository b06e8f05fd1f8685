"""Tuned constants of exact relations and of the search for a family's tree."""

from __future__ import annotations

from dataclasses import dataclass

from atlas_db.core.parameters import parameter

_FAMILIES = "chosen on generated families (seeds not recorded)"
_WORK = "chosen: bounds the work of one family"
_DATES = "tuned on generated families (seeds 444 to 446)"


@dataclass(frozen=True, slots=True)
class CopyParameters:
    """Casts, quantized and pruned copies, and merges that replace them.

    Attributes:
        screening_positions: Positions that possible copies are screened at.
        grid_positions: Positions that a model's own grid is detected at.
        min_screened_share: Share explained at the screening positions from which a copy is tested in full.
        max_originals: Models that may be the original of one copy, the nearest.
        share_tolerance: Share explained within which originals count as equally good.
        min_certain_share: Share explained from which a quantized copy is certain, and no merge is searched instead.
        min_merge_gain: Part of what a copy leaves unexplained that a quantized merge has to explain in its place.
        max_simple_complexity: Complexity up to which a merge is found before those of many free numbers.
        base_precedence_log_odds: Log-odds that the base of a merge came before its parents.
        max_task_vector_weight: Weight of a task vector from which one fit may be the equation of another merge, solved
            for one of its parents.
    """

    screening_positions: int = parameter(24, "positions", _WORK)
    grid_positions: int = parameter(144, "positions", _WORK)
    min_screened_share: float = parameter(0.6, "1", _FAMILIES)
    max_originals: int = parameter(8, "models", _WORK)
    share_tolerance: float = parameter(0.01, "1", _FAMILIES)
    min_certain_share: float = parameter(0.99, "1", _FAMILIES)
    min_merge_gain: float = parameter(0.8, "1", _FAMILIES)
    max_simple_complexity: float = parameter(3.0, "1", "by definition: recipes with one number a parent")
    base_precedence_log_odds: float = parameter(6.0, "log-odds", "chosen: beyond what a wrong date costs")
    max_task_vector_weight: float = parameter(0.97, "1", _FAMILIES)


@dataclass(frozen=True, slots=True)
class RootingParameters:
    """Choice of the root of a tree.

    Attributes:
        max_candidates: Models that are tried as the root of one tree, at a time.
        min_log_odds: Log-odds against the current root from which a candidate is tried.
        max_moves: Roots of one tree that replace each other.
        min_gain: Gain of log-likelihood and log-odds of the root from which the new root is kept.
        fixed_direction_log_odds: Log-odds by weights alone from which the direction of a step is fixed.
    """

    max_candidates: int = parameter(4, "models", _WORK)
    min_log_odds: float = parameter(-3.0, "log-odds", _FAMILIES)
    max_moves: int = parameter(5, "moves", _WORK)
    min_gain: float = parameter(0.25, "log-likelihood", "tuned on generated families (seeds 444 to 455, 602 to 605)")
    fixed_direction_log_odds: float = parameter(3.0, "log-odds", _FAMILIES)


@dataclass(frozen=True, slots=True)
class DateOutlierParameters:
    """Dates that contradict the weights.

    Attributes:
        max_suspects: Dates of one family that are suspected at most.
        min_contradictions: Models dated earlier that clearly came later by their weights, at least.
        contradiction_log_odds: Log-odds by weights from which such a model counts.
        max_log_odds_each: Log-odds that one model adds at most.
        min_sum_log_odds: Sum of log-odds from which a date is suspected.
        max_neighbours: Nearest models among which a parent that the date allows is sought.
        plausible_parent_log_odds: Log-odds by weights, of coming before it, below which such a parent is plausible.
        min_gain: Gain of log-likelihood by dropping a date, where no further merge is found.
    """

    max_suspects: int = parameter(2, "models", _WORK)
    min_contradictions: int = parameter(2, "models", _DATES)
    contradiction_log_odds: float = parameter(2.0, "log-odds", _DATES)
    max_log_odds_each: float = parameter(4.0, "log-odds", _DATES)
    min_sum_log_odds: float = parameter(10.0, "log-odds", _DATES)
    max_neighbours: int = parameter(5, "models", _DATES)
    plausible_parent_log_odds: float = parameter(-1.5, "log-odds", _DATES)
    min_gain: float = parameter(
        4.5, "log-likelihood", "the date penalty and 1, as wrong dates are rare (seeds 444 to 446, 482)"
    )


@dataclass(frozen=True, slots=True)
class DuplicateParameters:
    """Choice of the original among exact duplicates.

    Attributes:
        permutation_penalty: Log-odds against a duplicate whose units are permuted differently than its parents'.
        child_penalty: Log-odds against a duplicate for each child that another one has more in its own permutation.
        max_children: Children that count.
        late_child_penalty: Log-odds against later duplicates where all are dated after exactly one child, whose date
            may be the wrong one.
        converted_penalty: Log-odds against a duplicate in a format that models are converted to, where another is not.
    """

    permutation_penalty: float = parameter(6.0, "log-odds", _FAMILIES)
    child_penalty: float = parameter(1.0, "log-odds per child", _FAMILIES)
    max_children: int = parameter(4, "children", _FAMILIES)
    late_child_penalty: float = parameter(1.0, "log-odds", _FAMILIES)
    converted_penalty: float = parameter(3.0, "log-odds", "chosen: converters to GGUF and ONNX read safetensors")


@dataclass(frozen=True, slots=True)
class TreeParameters:
    """Exact relations and tree search.

    Attributes:
        date_penalty: Log-odds against a parent dated after its child.
        width_log_odds: Log-odds that of two models with the same tensors the one with more neurons came first.
        max_rank_neighbours: Models nearer to one of two than the other is, up to which the rank of their difference is
            measured.
        max_sweeps: Passes of local search over all parents.
        fixed_order_log_odds: Log-odds of a parent's coming before its child from which the two are not swapped.
        copies: Casts, quantized and pruned copies.
        rooting: Choice of the root.
        date_outliers: Dates that contradict the weights.
        duplicates: Choice of the original among exact duplicates.
    """

    date_penalty: float = parameter(3.5, "log-odds", "3 % of dates are wrong in generated families, 0.3 % on the Hub")
    width_log_odds: float = parameter(4.0, "log-odds", "chosen: a little more than a date counts")
    max_rank_neighbours: int = parameter(16, "models", _WORK)
    max_sweeps: int = parameter(3, "sweeps", _WORK)
    fixed_order_log_odds: float = parameter(3.0, "log-odds", _FAMILIES)
    copies: CopyParameters = CopyParameters()
    rooting: RootingParameters = RootingParameters()
    date_outliers: DateOutlierParameters = DateOutlierParameters()
    duplicates: DuplicateParameters = DuplicateParameters()


TREE = TreeParameters()
