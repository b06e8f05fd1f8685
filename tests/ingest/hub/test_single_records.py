"""Single records of a Hub on loopback: kept for a day, offline without age, renamed, refused, failing."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from atlas_db.core.errors import HubError, RecordError
from atlas_db.core.terms import RecordKind
from ingest.hub.single_records import MAX_AGE_SECONDS, HubRecords
from tests.support.graphs import child, model
from tests.support.hub_server import HubServer, serving

LEAF = child("a/leaf", "finetune:a/root", tags=["license:mit"])


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[HubServer]:
    (tmp_path / "repos").mkdir()
    with serving(tmp_path / "repos", monkeypatch) as server:
        server.records["models/a/leaf"] = LEAF
        yield server


def test_an_answer_is_kept_for_a_day(hub: HubServer, tmp_path: Path) -> None:
    now = [0.0]
    records = HubRecords(tmp_path / "cache", clock=lambda: now[0])
    found = records.record(RecordKind.MODEL, "a/leaf")
    assert found is not None
    assert (found.id, found.parents[0].name) == ("a/leaf", "a/root")
    assert records.record(RecordKind.MODEL, "a/nobody") is None
    assert records.record(RecordKind.DATASET, "d/nobody") is None
    requested = len(hub.tokens)
    again = HubRecords(tmp_path / "cache", clock=lambda: now[0])
    assert again.record(RecordKind.MODEL, "a/leaf") is not None
    assert again.record(RecordKind.MODEL, "a/nobody") is None
    assert (len(hub.tokens), again.requested) == (requested, 0)
    now[0] = MAX_AGE_SECONDS + 1.0
    hub.records["models/a/leaf"] = model("a/leaf", tags=["license:gpl-3.0"])
    renewed = again.record(RecordKind.MODEL, "a/leaf")
    assert renewed is not None
    assert [claim.value for claim in renewed.claims if claim.rel == "HAS_LICENSE"] == ["gpl-3.0"]
    assert set(hub.tokens) == {"Bearer hf_secret"}
    assert b"hf_secret" not in b"".join(each.read_bytes() for each in (tmp_path / "cache").iterdir())


def test_offline_nothing_is_asked_and_old_answers_hold(
    hub: HubServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    HubRecords(tmp_path / "cache").record(RecordKind.MODEL, "a/leaf")
    requested = len(hub.tokens)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    records = HubRecords(tmp_path / "cache", clock=lambda: 1e12)
    assert records.record(RecordKind.MODEL, "a/leaf") is not None
    assert records.record(RecordKind.MODEL, "a/other") is None
    assert len(hub.tokens) == requested


def test_a_record_that_cannot_be_read_is_named(hub: HubServer, tmp_path: Path) -> None:
    hub.records["models/a/leaf"] = {"id": "a/leaf\n", "tags": []}
    with pytest.raises(RecordError):
        HubRecords(tmp_path / "cache").record(RecordKind.MODEL, "a/leaf")


def test_a_renamed_model_has_its_new_id(hub: HubServer, tmp_path: Path) -> None:
    hub.renamed["old/leaf"] = "a/leaf"
    found = HubRecords(tmp_path / "cache").record(RecordKind.MODEL, "old/leaf")
    assert found is not None
    assert found.id == "a/leaf"


def test_a_damaged_answer_is_asked_for_again_and_failures_are_named(hub: HubServer, tmp_path: Path) -> None:
    records = HubRecords(tmp_path / "cache", sleep=lambda _: None)
    records.record(RecordKind.MODEL, "a/leaf")
    for file in (tmp_path / "cache").iterdir():
        file.write_bytes(b"{")
    assert records.record(RecordKind.MODEL, "a/leaf") is not None
    hub.mishaps = [500] * 20
    with pytest.raises(HubError, match="leave --online out"):
        records.record(RecordKind.MODEL, "a/other")
