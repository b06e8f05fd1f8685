"""Tests of `atlas_db/dashboard/templating.py`."""

from __future__ import annotations

import json

from atlas_db.dashboard.templating import Exported, Served, data_block, file_of, shown

HOSTILE = "<script>alert(1)</script>\"'&/../..%2e"


def test_nothing_of_an_id_can_leave_its_place() -> None:
    assert "<" not in data_block({"id": HOSTILE})
    assert json.loads(str(data_block({"id": HOSTILE}))) == {"id": HOSTILE}
    name = file_of(HOSTILE)
    assert "/" not in name
    assert ".." not in name
    assert file_of("a/b") != file_of("a-b")
    assert len(file_of("x" * 5000)) < 120
    assert Served().model("a/b c?#", open="x,y") == "/models/a/b%20c%3F%23?open=x%2Cy"
    assert Exported({"a/b": "f.html"}, above="../").model("a/b") == "../models/f.html"
    assert Exported().model("a/b") is None


def test_values_as_people_read_them() -> None:
    observed = [
        shown(None),
        shown(True),
        shown(1234567),
        shown(0.25, "share"),
        shown({"a/b": 0.031, "c/d": 0.02}),
        shown(0.25, "confidence"),
        shown(["a", 2000]),
        shown("needs_review", "verdict"),
        shown("a/b_c", "model"),
        shown("2024-05-31T10:00:00Z", "created_at"),
    ]
    assert observed == [
        "–", "yes", "1,234,567", "25.0%", "a/b 0.031, c/d 0.02", "0.25", "a, 2,000", "needs review", "a/b_c", "2024-05-31",
    ]  # fmt: skip
