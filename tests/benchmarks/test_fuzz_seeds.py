"""Seeds of fuzzing: few, small, and each is read or refused by name."""

from __future__ import annotations

import contextlib
from pathlib import Path

import pytest

from atlas_db.core.errors import AtlasError
from benchmarks import fuzz_seeds
from benchmarks.fuzz import TARGETS
from benchmarks.fuzz_seeds import FOLDER, NOT_KEPT, ONLY_VALID, fewest, is_small, read_seeds, steps_of, write_seeds

KEPT = sorted(TARGETS.keys() - NOT_KEPT)


def test_seeds_are_few_and_small() -> None:
    assert {file.stem for file in FOLDER.iterdir()} <= set(KEPT)
    assert sum(map(len, map(read_seeds, KEPT))) > 100
    assert sum(file.stat().st_size for file in FOLDER.iterdir()) < 300_000
    assert all(is_small(name, body) for name in KEPT for body in read_seeds(name))


@pytest.mark.slow
@pytest.mark.parametrize("name", KEPT)
def test_each_seed_is_read_or_refused_by_name(tmp_path: Path, name: str) -> None:
    read = TARGETS[name][1]
    for body in read_seeds(name):
        with contextlib.nullcontext() if name in ONLY_VALID else contextlib.suppress(AtlasError):
            read(body, tmp_path)


def test_lines_that_follow_each_other_are_seen() -> None:
    read = TARGETS["licences"][1]
    texts = (b"mit", b"mit OR (apache-2.0 AND x)", b"mit")
    (short, one), (long, _), (again, other) = (steps_of(lambda text=text: read(text, Path())) for text in texts)
    assert short and long - short and one == other
    assert {each[:3] for each in again} <= {each[:3] for each in short}
    assert all(name.startswith(str(fuzz_seeds.ROOT)) for name, *_ in short | long)


def test_the_shortest_input_that_reaches_something_new_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first, read = TARGETS["licences"]
    monkeypatch.setitem(TARGETS, "licences", ([b"mit"], read))
    kept = fewest("licences", [b"mit", b"mit ", b"(mit OR apache-2.0)", b"(mit OR apache-2.0) ", b"(" * 600, *first])
    assert b"(mit OR apache-2.0)" in kept and not {b"(mit OR apache-2.0) ", b"(" * 600, b"mit"} & set(kept)
    monkeypatch.setattr(fuzz_seeds, "FOLDER", tmp_path / "seeds")
    write_seeds("licences", kept)
    assert read_seeds("licences") == kept and read_seeds("records") == []
