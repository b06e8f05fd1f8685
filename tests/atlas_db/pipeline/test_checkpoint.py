"""Checkpoints of a run: read back as written, for its own store alone, by one run at a time."""

from __future__ import annotations

from pathlib import Path

import pytest

from atlas_db.core.errors import StoreLockedError, UsageError
from atlas_db.pipeline.checkpoint import CHECKPOINT_FILE, Checkpoint, StageResult, digest, exclusive
from tests.support.malformed import MALFORMED_JSON


def test_stages_are_read_back_by_a_run_into_the_same_store(tmp_path: Path) -> None:
    done = StageResult(state="done", key="k", run_id="load-1", seconds=1.5, memory=7, counts={"models": 3})
    Checkpoint(tmp_path, "one").put("load", done)
    assert Checkpoint(tmp_path, "one").stages == {"load": done}
    assert Checkpoint(tmp_path, "other").stages == {}
    assert Checkpoint(tmp_path / "new", "one").stages == {}


@pytest.mark.parametrize("body", [*MALFORMED_JSON.values(), b'{"store_id": "one", "stages": {"load": 7}}'])
def test_a_damaged_checkpoint_is_named(tmp_path: Path, body: bytes) -> None:
    (tmp_path / CHECKPOINT_FILE).write_bytes(body)
    with pytest.raises(UsageError, match="run.json cannot be read"):
        Checkpoint(tmp_path, "one")


def test_digests_differ_where_a_part_does() -> None:
    assert digest("a", 1) == digest("a", 1)
    assert len({digest("a", 1), digest("a", 2), digest("a1"), digest(["a"], 1)}) == 4


def test_one_run_at_a_time_has_a_folder(tmp_path: Path) -> None:
    with exclusive(tmp_path / "out"), pytest.raises(StoreLockedError, match="another run is writing"):
        exclusive(tmp_path / "out").__enter__()
    with exclusive(tmp_path / "out"):
        pass
    (tmp_path / "file").write_text("")
    with pytest.raises(UsageError, match="cannot be made"):
        exclusive(tmp_path / "file" / "out").__enter__()
