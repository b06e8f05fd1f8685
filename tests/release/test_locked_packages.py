"""Tests of `release/locked_packages.py`."""

from __future__ import annotations

import sysconfig
from importlib.metadata import distributions

import pytest
from packaging.requirements import Requirement

from release.locked_packages import ALWAYS, PRODUCT, LockedPackage, locked_packages
from tests.support.paths import ROOT


@pytest.fixture(scope="module")
def packages() -> dict[str, LockedPackage]:
    return locked_packages()


@pytest.mark.slow
def test_every_package_that_an_installation_gets_is_listed(packages: dict[str, LockedPackage]) -> None:
    """Counted a second way: by what the installed packages state that they need."""
    # Only what is installed: setuptools, once imported, shows the packages that it carries inside it, too.
    folders = [sysconfig.get_path("purelib"), sysconfig.get_path("platlib")]
    installed = {each.name.lower().replace("_", "-").replace(".", "-"): each for each in distributions(path=folders)}
    assert {name for name, each in packages.items() if each.version != installed[name].version} == set()
    for name, package in packages.items():
        if name == PRODUCT:
            continue
        stated = [Requirement(each) for each in installed[name].requires or ()]
        plain = {each.name.lower() for each in stated if each.marker is None}
        assert {each.replace("_", "-").replace(".", "-") for each in plain} <= package.needs, name


@pytest.mark.slow
def test_packages_know_the_extras_that_bring_them(packages: dict[str, LockedPackage]) -> None:
    assert ALWAYS in packages["msgspec"].extras and ALWAYS not in packages["torch"].extras
    assert "gnn" in packages["torch"].extras and "pytest" not in packages
    assert packages["torch"].sha256 and packages["msgspec"].license == "BSD-3-Clause"


@pytest.mark.slow
def test_the_table_of_licences_has_every_package_and_what_it_states(packages: dict[str, LockedPackage]) -> None:
    page = (ROOT / "docs" / "reference" / "dependency-licenses.md").read_text(encoding="utf-8")
    rows = [[each.strip() for each in line.split("|")[1:-1]] for line in page.splitlines() if line.startswith("| `")]
    assert [row[0].strip("`") for row in rows] == [name for name in packages if name != PRODUCT]
    assert all(row[3] for row in rows) and all(row[1] == packages[row[0].strip("`")].version for row in rows)


@pytest.mark.parametrize("name", ["numpy", "neo4j", "pyyaml"])
@pytest.mark.slow
def test_a_licence_is_spdx_where_it_can_be_read(packages: dict[str, LockedPackage], name: str) -> None:
    assert " " not in packages[name].license or " AND " in packages[name].license
