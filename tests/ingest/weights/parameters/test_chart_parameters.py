"""Tests of `ingest/weights/parameters/chart_parameters.py`: what `chart --show-parameters` says of each constant."""

from __future__ import annotations

import re

from ingest.weights.parameters.chart_parameters import bounds_work, chart_parameters, sensitivity, shown_parameters


def test_every_tuned_constant_is_listed_with_its_unit_and_origin() -> None:
    known = chart_parameters()
    assert len({each.name for each in known}) == len(known)
    assert all(each.unit and each.set_by for each in known)
    assert [each.parameter for each in shown_parameters()] == [each.name for each in known]


def test_every_constant_was_measured_or_only_bounds_the_work() -> None:
    """A constant that is new is measured by `python -m benchmarks.sensitivity --missing`; one that is gone is no key."""
    known = {each.name: each for each in chart_parameters()}
    measured = set(sensitivity().changed)
    assert measured <= known.keys()
    assert {name for name in known.keys() - measured if not bounds_work(known[name])} == set()
    assert all(re.fullmatch(r"\d\.\d{3}, \d\.\d{3}|bounds work", each.sensitivity) for each in shown_parameters()), (
        "no row is left without an answer"
    )


def test_a_change_names_the_models_that_it_was_measured_on() -> None:
    changes = sensitivity().changed.values()
    assert all(0 <= each.smaller <= 2 and 0 <= each.larger <= 2 and each.measured_on for each in changes)
