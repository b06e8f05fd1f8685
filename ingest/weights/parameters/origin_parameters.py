"""Tuned constants of origins that are not among the models."""

from __future__ import annotations

from dataclasses import dataclass

from atlas_db.core.parameters import parameter

_FITTED = "chosen; the presence scorer is fitted with it (`benchmarks.zoo.fit_presence`)"


@dataclass(frozen=True, slots=True)
class OriginParameters:
    """Whether a chosen parent is an ancestor, or a sibling whose parent is absent.

    Attributes:
        max_third_models: Nearest other models that elements are compared with.
        min_cosine: Cosine that independent steps do not reach: above the noise of some thousand elements.
        min_third_models: Other models from which the second least cosine is taken: the least may be a merge that was
            not found.
        max_length_ratio: Squared length of one path over another, up to which they are compared: noise hides a short
            one beside a long one.
        unknown_cosine: Cosine where there is no third model.
        min_ancestor: Probability of an ancestor, below which a model counts as a sibling of its chosen parent.
    """

    max_third_models: int = parameter(16, "models", _FITTED)
    min_cosine: float = parameter(0.02, "1", _FITTED)
    min_third_models: int = parameter(2, "models", _FITTED)
    max_length_ratio: float = parameter(16.0, "1", _FITTED)
    unknown_cosine: float = parameter(1.5, "1", "by definition: beyond all cosines, which the presence scorer knows")
    min_ancestor: float = parameter(0.5, "probability", "by definition: an absent origin is more likely than not")


ORIGIN = OriginParameters()
