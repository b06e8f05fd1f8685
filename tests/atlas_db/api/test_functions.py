"""Tests of `atlas_db/api/functions.py`."""

from __future__ import annotations

import doctest
import inspect
import re
import warnings
from typing import Any

import pytest

import atlas_db
from atlas_db.api import atlas, compliance_access, functions, graph_access
from tests.support.paths import ROOT

FINDER = doctest.DocTestFinder()


EXAMPLES = [
    test
    for room in (compliance_access, functions, atlas, graph_access)
    for test in FINDER.find(room, "api")
    if test.examples
]


def test_every_public_name_has_an_example() -> None:
    own = {f"api.{name}" for name in atlas_db.__all__ if inspect.isfunction(getattr(functions, name))}
    own |= {
        f"api.Atlas.{name}" for name, _ in inspect.getmembers(functions.Atlas, inspect.isfunction) if name[0] != "_"
    }
    assert own - {re.sub("(Graph|Compliance)Access", "Atlas", test.name) for test in EXAMPLES} == set()
    reference = (ROOT / "docs" / "reference" / "python-api.md").read_text(encoding="utf-8")
    for name in own:
        assert f".{name.rpartition('.')[2]}`]" in reference, name


def test_the_names_complete_in_a_notebook() -> None:
    """They are imported with the first use, so `dir` has to name them before."""
    assert {*atlas_db.__all__, "__version__"} <= set(dir(atlas_db))


@pytest.mark.parametrize("test", EXAMPLES, ids=lambda test: test.name)
def test_examples(names: dict[str, Any], test: doctest.DocTest) -> None:
    runner = doctest.DocTestRunner(optionflags=doctest.IGNORE_EXCEPTION_DETAIL * ("py2neo" in test.name))
    test.globs = dict(names)
    report: list[str] = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch's own, on import
        runner.run(test, out=report.append)
    assert not runner.summarize(verbose=False).failed, "".join(report)
