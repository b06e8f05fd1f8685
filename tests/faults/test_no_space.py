"""No room for an output: a plain error with what to do next, nothing half-written, and the same command ends it later.

A limit on the size of files stands for a full disk, so that no test needs a disk of its own.
"""

from __future__ import annotations

import resource
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from atlas_db.core.errors import StoreError
from atlas_db.core.settings import Settings
from atlas_db.pipeline.sample import sample
from atlas_db.store.bolt import Store
from tests.support.command import ATLAS, environment, run
from tests.support.graphs import load_rows, model
from tests.support.tables import rows_of

ROOM = 2048
"""Bytes that a file may have."""


@pytest.fixture
def cramped(tmp_path: Path) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Return a function that runs a command whose files may hold few bytes."""

    def limited() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (ROOM, ROOM))

    def command(home: Path, *words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*ATLAS, *words], env=environment(home), capture_output=True, text=True, preexec_fn=limited, check=False
        )

    return command


def ends_plainly(done: subprocess.CompletedProcess[str]) -> bool:
    """Whether a command said that it found no room, and what to do."""
    return done.returncode == StoreError.exit_code and "run the same command again" in done.stderr


@pytest.mark.slow
def test_fingerprints_without_room(tmp_path: Path, cramped: Callable[..., subprocess.CompletedProcess[str]]) -> None:
    words = ["fingerprint", str(sample() / "weights"), "--out", str(tmp_path / "fp.parquet")]
    done = cramped(tmp_path / "home", *words)
    assert ends_plainly(done), done.stderr
    assert not (tmp_path / "fp.parquet").exists()
    run(tmp_path / "home", *words)
    calm = tmp_path / "calm.parquet"
    run(tmp_path / "home", *words[:-1], str(calm))
    assert (tmp_path / "fp.parquet").read_bytes() == calm.read_bytes()


@pytest.mark.slow
def test_a_bill_of_materials_without_room(
    tmp_path: Path, cramped: Callable[..., subprocess.CompletedProcess[str]]
) -> None:
    card, out = tmp_path / "mine" / "README.md", tmp_path / "bom.json"
    card.parent.mkdir()
    card.write_text("---\nlicense: mit\nbase_model: [" + ", ".join(f"a/m{n}" for n in range(99)) + "]\n---\n")
    done = cramped(tmp_path / "home", "bom", str(card), "--out", str(out))
    assert ends_plainly(done), done.stderr
    assert {each.name for each in tmp_path.iterdir()} == {"mine", "home"} or not out.exists()
    run(tmp_path / "home", "bom", str(card), "--out", str(out))
    assert out.stat().st_size > ROOM


@pytest.mark.engine
@pytest.mark.slow
@pytest.mark.parametrize("form", ["parquet", "jsonl"])
def test_an_export_without_room_is_taken_up_again(
    local_store: Store, local_settings: Settings, tmp_path: Path,
    cramped: Callable[..., subprocess.CompletedProcess[str]], form: str,
) -> None:  # fmt: skip
    load_rows(local_store, tmp_path, [model(f"a/m{n}", tags=["license:mit"]) for n in range(300)])
    words = ["export", "--to", form, "--store", local_settings.store, "--out"]
    done = cramped(local_settings.home, *words, str(tmp_path / "out"))
    assert ends_plainly(done), done.stderr
    run(local_settings.home, *words, str(tmp_path / "out"))
    run(local_settings.home, *words, str(tmp_path / "calm"))
    names = sorted(each.name for each in (tmp_path / "calm").iterdir())
    assert sorted(each.name for each in (tmp_path / "out").iterdir()) == names
    for name in names:
        if not name.startswith("manifest"):
            assert rows_of(tmp_path / "out" / name) == rows_of(tmp_path / "calm" / name), name
