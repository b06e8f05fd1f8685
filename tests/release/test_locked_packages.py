"""Tests of `release/locked_packages.py`."""

from __future__ import annotations

from importlib.metadata import distributions

import pytest
from packaging.requirements import Requirement

from release.locked_packages import ALWAYS, PRODUCT, locked_packages
from tests.support.paths import ROOT


def test_every_package_that_an_installation_gets_is_listed() -> None:
    """Counted a second way: by what the installed packages state that they need."""
    packages = locked_packages()
    installed = {each.name.lower().replace("_", "-").replace(".", "-"): each for each in distributions()}
    assert {name for name, each in packages.items() if each.version != installed[name].version} == set()
    for name, package in packages.items():
        if name == PRODUCT:
            continue
        stated = [Requirement(each) for each in installed[name].requires or ()]
        plain = {each.name.lower() for each in stated if each.marker is None}
        assert {each.replace("_", "-").replace(".", "-") for each in plain} <= package.needs, name


def test_packages_know_the_extras_that_bring_them() -> None:
    packages = locked_packages()
    assert ALWAYS in packages["msgspec"].extras and ALWAYS not in packages["torch"].extras
    assert "gnn" in packages["torch"].extras and "pytest" not in packages
    assert packages["torch"].sha256 and packages["msgspec"].license == "BSD-3-Clause"


def test_the_table_of_licences_has_every_package_and_what_it_states() -> None:
    page = (ROOT / "docs" / "reference" / "dependency-licenses.md").read_text(encoding="utf-8")
    rows = [[each.strip() for each in line.split("|")[1:-1]] for line in page.splitlines() if line.startswith("| `")]
    packages = {name: each for name, each in locked_packages().items() if name != PRODUCT}
    assert [row[0].strip("`") for row in rows] == list(packages)
    assert all(row[3] for row in rows) and all(row[1] == packages[row[0].strip("`")].version for row in rows)


@pytest.mark.parametrize("name", ["numpy", "neo4j", "pyyaml"])
def test_a_licence_is_spdx_where_it_can_be_read(name: str) -> None:
    assert " " not in locked_packages()[name].license or " AND " in locked_packages()[name].license
