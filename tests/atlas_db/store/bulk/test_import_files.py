"""Tests of `atlas_db/store/bulk/import_files.py`."""

from __future__ import annotations

from pathlib import Path

import pytest

from atlas_db.store.bulk.import_files import BulkImportFiles


def test_offline_files_carry_headers_of_the_schema(tmp_path: Path) -> None:
    with BulkImportFiles(tmp_path) as out:
        out.node("Model", {"id": 'a"b\nc', "tags": ["x", "y"], "placeholder": False})
        out.edge("HAS_TASK", "Model", "Task", 'a"b\nc', "t", {"confidence": 0.5})
        command = out.command()
    text = (tmp_path / "Model.csv").read_text(encoding="utf-8")
    assert text.startswith("id:ID(Model),author:string,")
    assert 'a""b\nc' in text
    assert "x\x1fy" in text
    assert (
        (tmp_path / "HAS_TASK.Model.Task.csv")
        .read_text()
        .startswith(":START_ID(Model),source:string,confidence:double")
    )
    assert f"--nodes=Model={tmp_path / 'Model.csv'}" in command


def test_an_export_that_fails_leaves_no_file_that_looks_whole(tmp_path: Path) -> None:
    def fail(out: BulkImportFiles) -> None:
        out.node("Model", {"id": "a/b"})
        raise RuntimeError("broken off")

    with pytest.raises(RuntimeError, match="broken off"), BulkImportFiles(tmp_path) as out:
        fail(out)
    assert [file.name for file in tmp_path.iterdir()] == ["Model.csv.part"]
