"""Tuned constants of the test whether a quantized file was made from a certain model."""

from __future__ import annotations

from dataclasses import dataclass

from atlas_db.core.parameters import parameter

_MEASURED = "one trained model, quantized by the reference code of ggml to 19 types, with and without importance"


@dataclass(frozen=True, slots=True)
class QuantizedParameters:
    """Test of a quantized copy against a possible original.

    Attributes:
        rounding_slack: Relative error of the original's values that is allowed for.
        equal_levels: Distance of two levels over the largest, up to which they are one.
        level_error: Distance of a level from a multiple of the step, in steps, up to which it is one.
        min_tested: Weights that have to be tested.
        max_crossed: Share of the tested weights nearer to another level, up to which a copy is verified.
        min_related_cosine: Cosine of copy and original below which they are unrelated.
    """

    rounding_slack: float = parameter(2.0**-8, "1", "by definition: half a unit in the last place of bfloat16, at most")
    equal_levels: float = parameter(2.0**-10, "1", "chosen: above the rounding of a scale in 16 bits")
    level_error: float = parameter(0.08, "steps", "chosen: above the rounding of a scale in 16 bits")
    min_tested: int = parameter(2000, "weights", "by definition: 0 of 2,000 is below 0.2 % with 98 % confidence")
    max_crossed: float = parameter(0.006, "1", f"{_MEASURED}: true copies have at most 0.53 %")
    min_related_cosine: float = parameter(0.15, "1", "as for families of models")


QUANTIZED = QuantizedParameters()
