"""Tests of `atlas_db/store/bulk/import_files.py`; `test_offline_import.py` has the files imported."""

from __future__ import annotations

from pathlib import Path

import pytest

from atlas_db.store.bulk.import_files import BUFFER, BulkImportFiles


def test_offline_files_carry_headers_of_the_schema(tmp_path: Path) -> None:
    with BulkImportFiles(tmp_path) as out:
        out.node("Model", {"id": 'a"b', "tags": ["x", "y"], "placeholder": False, "sha": None})
        out.node("Model", {"tags": ["y"], "id": "c", "downloads": 7, "name": ""})
        out.edges("HAS_TASK", "Model", "Task", [['a"b', "t", 0.5], ["c", "t", None]], ["confidence"], {"run_id": "r"})
        out.edges("HAS_TASK", "Model", "Task", [["c", "t"]], (), {"valid_to": "2024-07-01"})
        out.edges("CITES", "Model", "Paper", [])
        command = out.command()
    head, first, second = (tmp_path / "Model.csv").read_text(encoding="utf-8").splitlines()
    assert head.startswith("id:ID(Model),author:string,")
    columns = head.split(",")
    cells = dict(zip(columns, first.split(","), strict=True))
    assert (cells["id:ID(Model)"], cells["tags:string[]"]) == ('"a""b"', '"x\x1fy"')
    assert (cells["placeholder:boolean"], cells["sha:string"]) == ("false", "")
    cells = dict(zip(columns, second.split(","), strict=True))
    assert (cells["name:string"], cells["downloads:long"], cells["author:string"]) == ('""', "7", "")
    head = ":START_ID(Model),:END_ID(Task),"
    assert (tmp_path / "HAS_TASK.Model.Task.csv").read_text() == (
        f'{head}confidence:double,run_id:string\n"a""b","t",0.5,"r"\n"c","t",,"r"\n'
    )
    assert (tmp_path / "HAS_TASK.Model.Task.1.csv").read_text() == f'{head}valid_to:string\n"c","t","2024-07-01"\n'
    assert sorted(file.name for file in tmp_path.iterdir() if "CITES" in file.name) == []
    assert command.startswith(
        "neo4j-admin database import full neo4j \\\n  --overwrite-destination \\\n  --id-type=string"
    )
    assert f"--nodes=Model={tmp_path / 'Model.csv'}" in command
    assert "--multiline-fields=false" in command and "--read-buffer-size" not in command


def test_the_tool_is_told_of_line_breaks_and_of_long_lines(tmp_path: Path) -> None:
    with BulkImportFiles(tmp_path) as out:
        out.node("Model", {"id": "a/b", "name": "x\ry"})
        out.node("Task", {"id": "y" * BUFFER})
        out.flush()
        words = out.arguments("neo4j")
    assert "--multiline-fields=true" in words
    assert f"--read-buffer-size={2 * BUFFER + 4}" in words
    assert words[-2:] == ["--nodes=Model=./Model.csv", "--nodes=Task=./Task.csv"]


def test_lists_that_no_cell_states_are_kept_beside_the_files(tmp_path: Path) -> None:
    odd = [{"id": "a", "tags": []}, {"id": "b", "tags": [""]}, {"id": "c", "tags": ["x\x1fy"], "name": "c"}]
    with BulkImportFiles(tmp_path) as out:
        for props in [*odd, {"id": "d", "tags": ["", ""]}]:
            out.node("Model", props)
    assert [(each.label, each.props) for each in out.unwritable] == [("Model", props) for props in odd]
    rows = (tmp_path / "Model.csv").read_text(encoding="utf-8").splitlines()
    assert [row.count("\x1f") for row in rows] == [0, 0, 0, 0, 1]


def test_an_export_that_fails_leaves_no_file_that_looks_whole(tmp_path: Path) -> None:
    def fail(out: BulkImportFiles) -> None:
        out.node("Model", {"id": "a/b"})
        raise RuntimeError("broken off")

    with pytest.raises(RuntimeError, match="broken off"), BulkImportFiles(tmp_path) as out:
        fail(out)
    assert [file.name for file in tmp_path.iterdir()] == ["Model.csv.part"]
