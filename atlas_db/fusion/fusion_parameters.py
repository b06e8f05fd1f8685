"""Tuned constants of fusion: when weights outweigh a declaration."""

from __future__ import annotations

from dataclasses import dataclass

from atlas_db.core.parameters import parameter


@dataclass(frozen=True, slots=True)
class FusionParameters:
    """Confidences from which inferred lineage changes what is declared.

    Attributes:
        min_trusted: Confidence from which an inferred relation replaces the declared one.
        min_contradicting: Confidence from which an inferred parent contradicts another that is declared. Most
            declarations are right. Where one in ten is wrong, inferences that err once in thirty would contradict one
            right declaration for every three wrong ones.
        other_family: Confidence that two charted families are unrelated.
    """

    min_trusted: float = parameter(0.9, "probability", "chosen: no search is recorded")
    min_contradicting: float = parameter(0.98, "probability", "by definition: the confidence of a copy")
    other_family: float = parameter(
        0.99, "probability", "chosen: no independent models of generated families were linked"
    )


FUSION = FusionParameters()
