"""Confidence of the edges that tests find, by kind of evidence."""

from __future__ import annotations

from dataclasses import dataclass

from atlas_db.core.parameters import parameter

_RELIABILITY = "share that is right on generated families (seeds 405 to 563), rounded down"
_NOTHING = "by definition: nothing orders the two"


@dataclass(frozen=True, slots=True)
class ConfidenceParameters:
    """Confidence of edges by kind of evidence.

    Attributes:
        dated_duplicate: A duplicate whose dates order the two; also the bound where other evidence orders them.
        undated_duplicate: A duplicate without such dates.
        copy: A cast, quantized or pruned copy.
        merge: A merge whose fit leaves rounding alone.
        loose_merge: A merge whose fit leaves more.
        loose_merge_residual: Residual over the distance to the nearest model from which a fit counts as loose.
        quantized_merge: A merge that was quantized afterwards.
        same_outputs: Equal outputs on probe inputs, with dates that order the two.
        undated_same_outputs: Equal outputs on probe inputs, without such dates.
        declared_base: A base that an adapter's configuration names, where it is to be trusted.
        min_alternative: Probability from which a candidate that was not chosen is listed as an alternative.
        max_alternatives: Alternatives listed at most.
    """

    dated_duplicate: float = parameter(0.99, "probability", _RELIABILITY)
    undated_duplicate: float = parameter(0.5, "probability", _NOTHING)
    copy: float = parameter(0.98, "probability", _RELIABILITY)
    merge: float = parameter(0.99, "probability", _RELIABILITY)
    loose_merge: float = parameter(0.5, "probability", _RELIABILITY)
    loose_merge_residual: float = parameter(0.09, "1", "coarse types leave more than this on generated families")
    quantized_merge: float = parameter(0.9, "probability", _RELIABILITY)
    same_outputs: float = parameter(0.97, "probability", "share that is right on generated families (seeds 405, 406)")
    undated_same_outputs: float = parameter(0.5, "probability", _NOTHING)
    declared_base: float = parameter(0.98, "probability", "chosen: below that of a copy found in the weights")
    min_alternative: float = parameter(0.02, "probability", "chosen: what is less likely helps no reader")
    max_alternatives: int = parameter(3, "models", "chosen for readability")


CONFIDENCE = ConfidenceParameters()
