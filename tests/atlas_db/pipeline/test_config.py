"""Plans of a run: options of every kind, and paths as seen from the file."""

from __future__ import annotations

from pathlib import Path

import pytest

from atlas_db.core.errors import UsageError
from atlas_db.pipeline.config import options_of, read_config
from tests.support.malformed import MALFORMED_TOML


def test_options_of_a_plan() -> None:
    found = options_of({"hub": "a.jsonl", "out": "there", "weights": "w", "attributes": "license"})
    assert (found.hub, found.out, found.weights) == (("a.jsonl",), Path("there"), (Path("w"),))
    assert found.attributes == ("license",)
    for wrong in ({"hubs": "a"}, {"hub": 3}, {"pages": "many"}, {"out": ""}):
        with pytest.raises(UsageError):
            options_of({"hub": ["a.jsonl"], "out": "there", **wrong})


def test_paths_are_seen_from_the_file(tmp_path: Path) -> None:
    (tmp_path / "rows.jsonl").write_text("")
    plan = tmp_path / "plan.toml"
    plan.write_text(
        'hub = ["rows.jsonl", "own/name"]\nout = "./results"\nweights = "own/weights"\nprofile = "strict"\n'
    )
    assert read_config(plan) == {
        "hub": [str(tmp_path / "rows.jsonl"), "own/name"], "out": str(tmp_path / "results"), "weights": "own/weights",
        "profile": "strict",
    }  # fmt: skip


@pytest.mark.parametrize("body", [None, *MALFORMED_TOML.values()], ids=["none", *MALFORMED_TOML])
def test_a_plan_that_cannot_be_read_is_named(tmp_path: Path, body: bytes | None) -> None:
    if body is not None:
        (tmp_path / "plan.toml").write_bytes(body)
    with pytest.raises(UsageError, match="plan.toml cannot be read"):
        read_config(tmp_path / "plan.toml")


def test_paths_that_cannot_be_are_names(tmp_path: Path) -> None:
    plan = tmp_path / "plan.toml"
    names = ["a" * 300, "~no-such-user/x", "b\\u0000c"]
    plan.write_text("hub = [" + ", ".join(f'"{name}"' for name in names) + "]\n")
    assert read_config(plan)["hub"] == [names[0], str(tmp_path / names[1]), "b\0c"]
