"""Files that are replaced in one step: whole or not at all."""

from __future__ import annotations

from pathlib import Path

import pytest

from atlas_db.core.files import (
    expanded,
    is_there,
    make_private_folder,
    replacing,
    resolved,
    write_private,
    write_whole,
)


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


def test_names_that_no_file_can_have_are_not_there(tmp_path: Path) -> None:
    (tmp_path / "circle").symlink_to("circle")
    for name in ("x" * 300, "x/" * 3000, "a\0b", "circle", "circle/x"):
        assert not is_there(tmp_path / name)
    assert is_there(tmp_path)


def test_paths_of_unknown_users_and_circles_of_links_stay(tmp_path: Path) -> None:
    assert expanded("~no-such-user/x") == Path("~no-such-user/x")
    assert expanded("~/x") == Path.home() / "x"
    (tmp_path / "circle").symlink_to("circle")
    (tmp_path / "link").symlink_to(tmp_path)
    assert resolved(tmp_path / "circle" / "x") == tmp_path / "circle" / "x"
    assert resolved(tmp_path / "link" / "x") == tmp_path.resolve() / "x"
