"""Tests of `benchmarks/tensor_declarations.py`: what it refuses."""

from __future__ import annotations

import pytest


def test_a_pattern_that_may_take_exponential_time_is_refused() -> None:
    from benchmarks.tensor_declarations import _safe

    assert _safe(r"(?P<g0>^text_model\.(.+))") == r"(?:^text_model\.(.+))"
    with pytest.raises(ValueError, match="exponential"):
        _safe(r"^(a+)+$")
