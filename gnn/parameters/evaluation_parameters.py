"""Settings of evaluations and of the baselines in them; no completion depends on them."""

from __future__ import annotations

from dataclasses import dataclass, field

from atlas_db.core.parameters import parameter

_CHOSEN = "chosen: no search is recorded"
_COST = "chosen for time"


@dataclass(frozen=True, slots=True)
class SplitParameters:
    """What is tested, and how often it is drawn again.

    Attributes:
        max_tested: Models tested at most, drawn at random.
        drawn_share: Share of models, authors or roots that a split which is not temporal draws for the test.
        max_drawn_share: Share of a stratum that the missing split draws at most.
        stratum_days: Length of the periods in which the missing split matches the models that lack the attribute.
        resamples: Bootstrap resamples of an interval.
        coverages: Shares of the models, those of the highest confidence, on which accuracy is given.
    """

    max_tested: int = parameter(30_000, "models", _COST)
    drawn_share: float = parameter(0.1, "share", _CHOSEN)
    max_drawn_share: float = parameter(0.5, "share", "chosen: no search is recorded")
    stratum_days: int = parameter(91, "days", "by definition: a quarter")
    resamples: int = parameter(300, "resamples", _COST)
    coverages: tuple[float, ...] = parameter((0.5, 0.8, 0.9), "share", _CHOSEN)


@dataclass(frozen=True, slots=True)
class CompletionBaselineParameters:
    """Simple methods that completion is compared with.

    Attributes:
        max_candidates: Candidates of a baseline for a model at most.
        min_name_length: Length from which a name counts as contained in another.
        propagation_weight: Weight of neighbours against the own label in propagation (alpha of Zhou et al. 2004).
        propagation_steps: Steps of propagation.
        dimensions: Size of FastRP embeddings (Chen et al. 2019).
    """

    max_candidates: int = parameter(10, "values", _CHOSEN)
    min_name_length: int = parameter(4, "characters", _CHOSEN)
    propagation_weight: float = parameter(0.9, "1", _CHOSEN)
    propagation_steps: int = parameter(10, "steps", _COST)
    dimensions: int = parameter(128, "1", _COST)


@dataclass(frozen=True, slots=True)
class EvaluationParameters:
    """Settings of an evaluation.

    Attributes:
        split: What is tested.
        baseline: What completion is compared with.
    """

    split: SplitParameters = field(default_factory=SplitParameters)
    baseline: CompletionBaselineParameters = field(default_factory=CompletionBaselineParameters)


EVALUATION = EvaluationParameters()
