"""Files that are replaced in one step: whole or not at all."""

from __future__ import annotations

from pathlib import Path

import pytest

from atlas_db.core.files import make_private_folder, replacing, write_private, write_whole


def test_a_file_is_replaced_whole(tmp_path: Path) -> None:
    file = tmp_path / "a.json"
    write_whole(file, b"old")
    write_whole(file, b"new")
    assert file.read_bytes() == b"new"
    assert list(tmp_path.iterdir()) == [file]


def test_a_write_that_fails_leaves_the_file_as_it_was(tmp_path: Path) -> None:
    file = tmp_path / "a.json"
    write_whole(file, b"old")

    def fail(partial: Path) -> None:
        partial.write_bytes(b"half")
        raise RuntimeError("broken off")

    with pytest.raises(RuntimeError, match="broken off"), replacing(file) as partial:
        fail(partial)
    assert file.read_bytes() == b"old"
    assert (tmp_path / "a.json.part").read_bytes() == b"half"


def test_a_private_file_is_its_owners_alone(tmp_path: Path) -> None:
    file = tmp_path / "secret"
    file.write_text("old")
    file.chmod(0o644)
    write_private(file, "new")
    assert (file.read_text(), file.stat().st_mode & 0o777) == ("new", 0o600)


def test_a_private_folder_is_made_or_closed(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    for mode in (None, 0o755, 0o2770, 0o700):
        if mode is not None:
            folder.chmod(mode)
        make_private_folder(folder)
        assert folder.stat().st_mode & 0o777 == 0o700


def test_a_folder_of_another_user_keeps_its_mode(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tmp_path.chmod(0o755)
    monkeypatch.setattr("os.geteuid", lambda: tmp_path.stat().st_uid + 1)
    make_private_folder(tmp_path)
    assert tmp_path.stat().st_mode & 0o777 == 0o755
