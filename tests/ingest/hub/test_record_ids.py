"""Tests of `ingest/hub/record_ids.py`."""

from __future__ import annotations

import json

import pytest

from atlas_db.core.errors import RecordError
from atlas_db.core.terms import RecordKind
from ingest.hub.decode import decode_record
from ingest.hub.record_ids import ODD_ID, require_id


def body(identifier: str) -> bytes:
    return json.dumps({"id": identifier, "likes": 3, "tags": ["license:mit"]}).encode()


@pytest.mark.parametrize(
    ("written", "read", "kind"),
    [("https://huggingface.co/acme/river", "acme/river", "model"), ("models--acme--river", "acme/river", "model"),
     ("https://huggingface.co/datasets/acme/pond", "acme/pond", "dataset"), (" acme/river ", "acme/river", "model"),
     ("datasets--acme--pond", "acme/pond", "dataset"), ("hf.co/acme/river", "acme/river", "model")],
)  # fmt: skip
def test_addresses_and_folders_of_the_cache_give_the_id(written: str, read: str, kind: str) -> None:
    found = decode_record(body(written))
    assert (found.id, found.kind) == (read, RecordKind(kind))
    assert [code for code, _ in found.notes] == [ODD_ID]
    assert read in found.notes[0][1]


@pytest.mark.parametrize("written", ["..", "a/..", "a b/c", "a/b/c", "\u00e9/x", "acme/river.", "acme/old--name"])
def test_other_odd_ids_stay_with_a_note(written: str) -> None:
    found = decode_record(body(written))
    assert found.id == written
    assert [code for code, _ in found.notes] == [ODD_ID]


@pytest.mark.parametrize(
    "written",
    ["acme/ri\nver", "acme/river\x00", "a\tb/c", "/x", "x/", "a//b", "/", "a/ /b", "acme\x7f/x", "origin:0a1b"],
)
def test_ids_that_name_nothing_are_refused(written: str) -> None:
    with pytest.raises(RecordError, match="the id") as caught:
        decode_record(body(written))
    assert caught.value.code == "bad_id"


@pytest.mark.parametrize("written", ["acme/river", "gpt2", "Acme_1/River-7.5B"])
def test_ids_of_the_hub_have_no_note(written: str) -> None:
    found = decode_record(body(written))
    assert (found.id, found.notes) == (written, [])


@pytest.mark.parametrize("sign", ["\n", "\x85", "\u2028", "\u2029"])
def test_no_id_has_the_end_of_a_line(sign: str) -> None:
    with pytest.raises(RecordError, match="control characters"):
        require_id(f"acme/a{sign}b")
