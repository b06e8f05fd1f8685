"""`atlas-db similar`: models by what they answer, of a file of probes and of a folder that is run now."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.command import run, run_json
from tests.support.networks import llama, rewritten

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def probes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("similar")
    base = llama(1)
    for name, model in {"base": base, "copy": rewritten(base), "other": llama(2)}.items():
        model.save_pretrained(folder / "models" / name)
    run(folder, "fingerprint", str(folder / "models"), "--probe", "--out", str(folder / "fp.parquet"))
    return folder / "fp.probes.parquet"


def test_a_rewritten_copy_is_the_most_similar(probes: Path) -> None:
    found = run_json(probes.parent, "similar", "base", "--probes", str(probes))
    assert [row["model"] for row in found] == ["copy", "other"]
    assert found[0]["difference"] < 0.01
    assert run_json(probes.parent, "similar", "base", "--probes", str(probes), "--limit", "1") == found[:1]


def test_a_folder_is_run_now(probes: Path) -> None:
    folder = probes.parent / "models" / "copy"
    found = run_json(probes.parent, "similar", str(folder), "--probes", str(probes))
    assert {row["model"] for row in found[:2]} == {"base", "copy"}


def test_a_model_that_was_not_probed_is_named(probes: Path) -> None:
    assert "--probe" in run(probes.parent, "similar", "no/body", "--probes", str(probes), code=3).stderr
