"""Fuzzing in small: some hundred mutated inputs, and no exception that a reader does not name."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from benchmarks.fuzz import TARGETS, FuzzReport, _Uncaught, fuzz, mutated

FEWER = {"parquet": 20, "configurations": 100, "listing": 100, "modules": 100}
"""Inputs of targets that take long: a bad Parquet file costs a process, others open several models or write a file."""


@pytest.mark.slow
@pytest.mark.parametrize("name", TARGETS)
def test_no_reader_is_surprised(name: str) -> None:
    inputs = FEWER.get(name, 1000)
    report = fuzz(name, seed=2, inputs=inputs)
    assert (report.inputs, report.uncaught) == (inputs, {})


def test_what_is_not_caught_is_kept_with_its_place() -> None:
    report = FuzzReport()
    for body in (b"x", b"y"):
        with _Uncaught(report, body):
            Path(body.decode()).relative_to("/")
    ((place, kept),) = report.uncaught.items()
    assert place.startswith("ValueError at ") and kept == b"x"


def test_mutants_of_a_seed_are_many_and_repeatable() -> None:
    rng = random.Random(1)
    many = [mutated(b"abcdef", rng) for _ in range(200)]
    assert len(set(many)) > 150
    again = random.Random(1)
    assert [mutated(b"abcdef", again) for _ in range(200)] == many
