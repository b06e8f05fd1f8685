"""The undo file of a load: read back as written, the first entry of each node counts, a cut line ends it."""

from __future__ import annotations

from pathlib import Path

import pytest

from atlas_db.claims.undo import EdgeBefore, NodeBefore, UndoFile

NODE = NodeBefore("Model", "a/b", {"downloads": 3})
EDGE = EdgeBefore("HAS_LICENSE", "Model", "License", "a/b", "mit", {"source": "declared"})
NEW = NodeBefore("Model", "c/d", None)


def written(folder: Path, *entries: NodeBefore | EdgeBefore, empty_store: bool = False) -> UndoFile:
    file = UndoFile(folder, "store-1", "load-1")
    file.begin(empty_store=empty_store)
    for entry in entries:
        file.append([entry])
    file.close()
    return file


@pytest.mark.parametrize("empty_store", [True, False])
def test_entries_are_read_back(tmp_path: Path, empty_store: bool) -> None:
    empty, entries = written(tmp_path, NODE, EDGE, NEW, empty_store=empty_store).read()
    assert (empty, list(entries)) == (empty_store, [NODE, EDGE, NEW])


def test_the_first_entry_of_a_node_or_edge_counts(tmp_path: Path) -> None:
    again = [NODE._replace(props={"downloads": 4}), EDGE._replace(props=None)]
    assert list(written(tmp_path, NODE, EDGE, *again).read()[1]) == [NODE, EDGE]


def test_a_line_that_a_kill_cut_ends_the_file(tmp_path: Path) -> None:
    file = written(tmp_path, NODE, NEW)
    file.path.write_bytes(file.path.read_bytes()[:-5])
    assert list(file.read()[1]) == [NODE]


def test_files_of_runs_and_stores_are_apart(tmp_path: Path) -> None:
    file = written(tmp_path)
    assert file.path.stat().st_size > 0
    with pytest.raises(FileNotFoundError):
        UndoFile(tmp_path, "store-2", "load-1").read()
    with pytest.raises(ValueError, match="not begun"):
        UndoFile(tmp_path, "store-1", "load-2").append([NODE])
