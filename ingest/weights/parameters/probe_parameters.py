"""Tuned constants of the comparison of probe outputs."""

from __future__ import annotations

from dataclasses import dataclass

from atlas_db.core.parameters import parameter


@dataclass(frozen=True, slots=True)
class ProbeParameters:
    """Comparison of probe outputs.

    Attributes:
        max_equal_difference: Relative difference of outputs below which two models compute the same function.
        min_output_norm: Length of the outputs from which they can be compared; equal zeros are no evidence.
        min_cluster_cka: Linear CKA from which two models are in one behaviour cluster.
    """

    max_equal_difference: float = parameter(0.01, "1", "above the rounding of 16 bits on generated families")
    min_output_norm: float = parameter(1e-6, "1", "chosen: above rounding")
    min_cluster_cka: float = parameter(0.9, "1", "independent models of one architecture stay far below")


PROBE = ProbeParameters()
