"""Tests of `atlas_db/core/errors.py`."""

from __future__ import annotations

import re

import pytest

from atlas_db.core import errors
from atlas_db.core.errors import AtlasError, did_you_mean, fault_text


def test_every_error_is_drawn_in_the_tree() -> None:
    page = errors.__doc__ or ""
    for name, value in vars(errors).items():
        if isinstance(value, type) and issubclass(value, AtlasError):
            assert name in page, name
            assert value.__doc__


def test_a_mistyped_name_is_answered_with_the_similar_ones_alone() -> None:
    known = ("ancestors", "ancestor_licenses", "language_steps", "MIT")
    assert did_you_mean("ancesters", known) == "Did you mean ancestors?"
    assert did_you_mean("mit", known) == "Did you mean MIT?"
    assert {"abc", "abd"} <= set(did_you_mean("ab", ("abc", "abd")).strip("?").split())
    assert did_you_mean("zzz", known) == ""
    assert did_you_mean("x", ()) == ""


def test_an_unforeseen_exception_is_told_with_its_type_and_our_last_line() -> None:
    with pytest.raises(AttributeError) as caught:
        did_you_mean(7, ["a"])  # type: ignore[arg-type]
    assert re.fullmatch(r"a fault of atlas-db: AttributeError at errors\.py:\d+ \(.+\)", fault_text(caught.value))
    assert fault_text(ValueError()) == "a fault of atlas-db: ValueError"
    assert len(fault_text(ValueError("x" * 999))) < 130
