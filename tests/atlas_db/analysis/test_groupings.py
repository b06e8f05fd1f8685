"""Tests of `atlas_db/analysis/groupings.py`."""

from __future__ import annotations

import pytest

from atlas_db.analysis.groupings import MODALITY, TIGHTNESS, LicenseGroup, drift_direction, license_group
from atlas_db.catalogue.loader import catalogue


def test_every_license_has_a_group_and_drift_has_a_direction() -> None:
    assert {license_group(license_id.id) for license_id in catalogue()} == set(LicenseGroup)
    assert set(TIGHTNESS) == set(LicenseGroup) - {LicenseGroup.UNCLEAR}
    assert license_group(None) is None
    assert license_group("no-such-licence") is LicenseGroup.UNCLEAR
    steps = {
        ("mit", "mit"): "same",
        ("mit", None): "dropped",
        (None, "mit"): "gained",
        ("mit", "apache-2.0"): "lateral",
        ("llama2", "apache-2.0"): "looser",
        ("apache-2.0", "cc-by-nc-4.0"): "tighter",
        ("mit", "gpl-3.0"): "tighter",
        ("mit", "no-such-licence"): "unclear",
    }
    assert {pair: drift_direction(*pair) for pair in steps} == steps
    assert MODALITY["text-generation"] == "text"


@pytest.mark.slow
def test_an_expression_is_as_restrictive_as_its_operator_makes_it() -> None:
    assert license_group("mit or cc-by-nc-4.0") is LicenseGroup.PERMISSIVE
    assert license_group("mit, cc-by-nc-4.0") is LicenseGroup.NON_COMMERCIAL
    assert license_group("mit and my-own") is LicenseGroup.UNCLEAR
