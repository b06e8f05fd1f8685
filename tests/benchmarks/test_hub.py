"""Tests of `benchmarks/hub.py`."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import zstandard

from benchmarks.hub import grow, write_list
from benchmarks.sample import rows as rows_in
from tests.support.graphs import child, model

ROWS = [
    model("old-root"), model("a/root"),
    *(child(f"b{number % 40}/m{number}", "finetune:a/root" if number < 200 else f"b{number % 40}/m{number - 200}")
      for number in range(400)),
]  # fmt: skip


def make(folder: Path, models: int) -> list[dict[str, object]]:
    source = folder / "rows.jsonl.zst"
    source.write_bytes(zstandard.compress("".join(json.dumps(row) + "\n" for row in ROWS).encode()))
    written = write_list(source, models, folder / "grown.jsonl.zst")
    rows = list(rows_in(str(folder / "grown.jsonl.zst")))
    assert len(rows) == written == len({row["id"] for row in rows})
    return rows


def test_a_smaller_list_has_whole_authors(tmp_path: Path) -> None:
    counts = Counter(str(row["id"]).partition("/")[0] for row in make(tmp_path, 200))
    assert 120 < sum(counts.values()) < 280
    assert {count for author, count in counts.items() if author.startswith("b")} == {10}


def test_a_larger_list_has_larger_fans_and_chains_of_copies(tmp_path: Path) -> None:
    rows = make(tmp_path, 3 * len(ROWS))
    assert len(rows) == 3 * len(ROWS)
    parents = {row["id"]: tag.rpartition(":")[2] for row in rows for tag in row["tags"]}  # type: ignore[attr-defined]
    fans = Counter(parents.values())
    assert 350 < fans["a/root"] < 450 and 70 < fans["a-1/root"] < 130
    ids = {row["id"] for row in rows}
    assert set(parents.values()) <= ids, "each parent is there"
    copies = [name for name in parents if str(name).startswith("b7-2/")]
    assert any(parents[name].startswith("b7-2/") for name in copies)
    assert any(parents[name].startswith("b7/") for name in copies)


def test_a_copy_is_younger_and_has_ids_of_its_own() -> None:
    (row,) = grow(iter([model("gpt9", createdAt="2024-01-15T08:00:00.000Z")]), 2)
    assert (row["id"], row["modelId"], row["createdAt"]) == ("old-2/gpt9", "old-2/gpt9", "2024-03-15T08:00:00.000Z")
