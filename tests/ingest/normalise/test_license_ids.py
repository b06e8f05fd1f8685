"""Tests of `ingest/normalise/license_ids.py`."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.normalise import license_ids


@pytest.mark.parametrize(
    ("value", "name", "expected"),
    [
        ("MIT", None, [("mit", 1.0)]),
        (["apache-2.0", "MIT", "mit"], None, [("apache-2.0", 1.0), ("mit", 1.0)]),
        ("other", "llama3", [("other", 1.0), ("llama3", 0.95)]),
        ("other", "Meta-Llama-3-Community-License-Agreement", [("other", 1.0), ("llama3", 0.95)]),
        ("other", "tongyi-qianwen", [("other", 1.0), ("tongyi-qianwen", 0.95)]),
        ("other", "other", [("other", 1.0)]),
        ("mit", "llama3", [("mit", 1.0)]),
        (None, "x", []),
        ({"name": "mit"}, None, []),
        ([None, 3, " "], None, []),
    ],
)
def test_licenses(value: object, name: object, expected: list[tuple[str, float]]) -> None:
    assert license_ids.card_license_ids(value, name) == expected


@pytest.mark.parametrize(
    ("written", "meant"),
    [("apache 2.0", "apache-2.0"), ("gpl-3.0-or-later", "gpl-3.0"), ("mit", "mit"), ("llama_3", "llama3"),
     ("made up", "made up"), ("cc-by-4.0", "cc-by-4.0"), ("ODbL-1.0".lower(), "odbl")],
)  # fmt: skip
def test_license_aliases(written: str, meant: str) -> None:
    assert license_ids.canonical_license_id(written) == meant


@given(st.text(max_size=30))
def test_canonical_licenses_are_stable(text: str) -> None:
    once = license_ids.canonical_license_id(license_ids.normalise_license_id(text))
    assert license_ids.canonical_license_id(once) == once
