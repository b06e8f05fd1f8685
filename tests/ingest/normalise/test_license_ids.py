"""Tests of `ingest/normalise/license_ids.py`."""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from atlas_db.core.errors import RecordError
from ingest.hub.decode import decode_record
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
        (None, None, []),
        ([None, " ", [], {}, False, float("nan")], None, []),
    ],
)
def test_licenses(value: object, name: object, expected: list[tuple[str, float]]) -> None:
    assert [each[:2] for each in license_ids.card_licenses(value, name)[0]] == expected


@pytest.mark.parametrize(
    ("value", "name", "link", "expected"),
    [
        ({"name": "cc-by-nc-4.0"}, None, None, ["cc-by-nc-4.0"]),
        ({"id": "MIT", "name": "My title"}, None, None, ["mit"]),
        ({"type": "Apache-2.0", "url": "https://example.com/x"}, None, None, ["apache-2.0"]),
        ({"url": "https://opensource.org/licenses/MIT"}, None, None, ["https://opensource.org/licenses/mit"]),
        ({"license": [{"spdx": "MIT"}, "isc"]}, None, None, ["mit", "isc"]),
        ({"mit": None, "isc": True}, None, None, ["mit", "isc"]),
        ([["mit"]], None, None, ["mit"]),
        ([["mit", ["isc"]], {"name": "gemma"}], None, None, ["mit", "isc", "gemma"]),
        (5, None, None, ["5"]),
        (True, None, None, ["true"]),
        ({"foo": {"bar": 1}}, None, None, ['{"foo": {"bar": 1}}']),
        (None, "llama3", None, ["other", "llama3"]),
        ("", None, "https://www.apache.org/licenses/LICENSE-2.0", ["other", "apache-2.0"]),
        (None, None, "LICENSE.md", ["other"]),
        (None, "acme-terms", "LICENSE.md", ["other", "acme-terms"]),
        (None, ["llama3"], None, ["other", "llama3"]),
    ],
)
def test_licenses_in_odd_shapes_are_stated(value: object, name: object, link: object, expected: list[str]) -> None:
    found, remarks = license_ids.card_licenses(value, name, link)
    assert [each.id for each in found] == expected
    assert remarks


def test_a_license_is_kept_as_written() -> None:
    found, remarks = license_ids.card_licenses(["LicenseRef-Acme-Terms", "other"], "Acme  Terms")
    assert [each.written for each in found] == ["LicenseRef-Acme-Terms", "other", "Acme Terms"]
    assert remarks == []


@pytest.mark.parametrize(
    ("written", "meant"),
    [("apache 2.0", "apache-2.0"), ("gpl-3.0-or-later", "gpl-3.0"), ("mit", "mit"), ("llama_3", "llama3"),
     ("made up", "made up"), ("cc-by-4.0", "cc-by-4.0"), ("ODbL-1.0".lower(), "odbl")],
)  # fmt: skip
def test_license_aliases(written: str, meant: str) -> None:
    assert license_ids.canonical_license_id(written) == meant


@pytest.mark.parametrize(
    ("name", "link", "owner", "expected"),
    [
        ("modified-mit", "LICENSE", "moonshotai", [("kimi-k2-modified-mit", 0.95)]),
        ("modified-mit", None, "a", [("modified-mit", 0.95)]),
        ("modified-mit", "https://github.com/MiniMax-AI/MiniMax-M2/blob/main/LICENSE", "a", [("minimax-m2-modified-mit", 0.95)]),
        (None, "https://ai.google.dev/gemma/terms", "a", [("gemma", 0.95)]),
        (None, "https://ai.google.dev/gemma/docs/gemma_4_license", "a", [("apache-2.0", 0.95)]),
        ("made-up", "https://llama.meta.com/llama3/license/", "a", [("llama3", 0.95)]),
        ("qwen-research", "https://huggingface.co/Qwen/Qwen2.5-3B/blob/main/LICENSE", "a", [("qwen-research", 0.95)]),
        ("llama3.1", "https://llama.meta.com/llama3/license/", "a", [("llama3.1", 0.95), ("llama3", 0.95)]),
        ("Apache-2.0 OR MIT", None, "a", [("apache-2.0 OR mit", 0.95)]),
        ("made-up", "https://example.org/x", "a", [("made-up", 0.9)]),
        (3, ["x"], "a", [("3", 0.9)]),
    ],
)  # fmt: skip
def test_other_with_a_name_a_link_and_an_owner(
    name: object, link: object, owner: str, expected: list[tuple[str, float]]
) -> None:
    found, _ = license_ids.card_licenses("other", name, link, owner)
    assert [each[:2] for each in found] == [("other", 1.0), *expected]


def test_properties_of_an_expression() -> None:
    assert license_ids.license_properties("mit or apache-2.0") == {
        "id": "mit or apache-2.0", "spdx_id": "Apache-2.0 OR MIT", "canonical": "apache-2.0 OR mit", "parts": ["apache-2.0", "mit"],
    }  # fmt: skip
    assert license_ids.license_properties("llama3") == {"id": "llama3"}
    assert license_ids.license_properties("gpl-3.0-or-later") == {
        "id": "gpl-3.0-or-later", "spdx_id": "GPL-3.0-or-later", "canonical": "gpl-3.0",
    }  # fmt: skip
    assert license_ids.license_properties("made up") == {"id": "made up"}


@given(st.text(max_size=30))
def test_canonical_licenses_are_stable(text: str) -> None:
    once = license_ids.canonical_license_id(license_ids.normalise_license_id(text))
    assert license_ids.canonical_license_id(once) == once


def test_depth_and_number_are_bounded() -> None:
    deep: object = "mit"
    for _ in range(license_ids.MAX_LEVELS + 2):
        deep = [deep]
    stated, remarks = license_ids.card_licenses(deep)
    assert [each.confidence for each in stated] == [1.0]
    assert "mit" not in stated[0].id.split(), "it is no licence of the catalogue"
    assert remarks[-1] == "license cannot be read: it is nested more than 16 levels deep"
    assert len(remarks) == 2, "each sentence stands once"
    many = [f"l{number}" for number in range(license_ids.MAX_LICENSES + 1)]
    for value in (many, [many, many]):
        stated, remarks = license_ids.card_licenses(value)
        assert len(stated) == license_ids.MAX_LICENSES
        assert "license is a list of 1,025, of which 1,024 are read" in remarks


@pytest.mark.parametrize("levels", range(900, 1000, 9))
def test_no_depth_that_json_has_ends_a_record(levels: int) -> None:
    for opened, closed in ("[]", ('{"a":', "}"), ('{"name":', "}")):
        text = f"{opened * levels}1{closed * levels}"
        body = b'{"id": "a/b", "gated": %s, "cardData": {"license": %s, "pipeline_tag": %s}}'
        with suppress(RecordError):
            decode_record(body % ((text.encode(),) * 3))
