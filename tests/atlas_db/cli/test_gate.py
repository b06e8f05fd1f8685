"""`gate`, `notice`, `impact` and `gpai` as people use them: exit codes, formats, files."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from atlas_db.snapshot.repositories import named_models
from atlas_db.snapshot.snapshot_file import closure, write_repositories
from tests.support.command import ATLAS, environment, run, run_json
from tests.support.graphs import model
from tests.support.hub_server import serving
from tests.support.kept import answered
from tests.support.license_hub import META, POLICY, ROWS


@pytest.fixture
def file(tmp_path: Path) -> str:
    place = answered(ROWS).repositories
    write_repositories(
        closure(place, [each.id for each in named_models(place)]), place.newest(), tmp_path / "atlas.parquet"
    )
    (tmp_path / "policy.toml").write_text(POLICY)
    return str(tmp_path / "atlas.parquet")


@pytest.mark.slow
def test_the_gate_ends_with_the_strictest_decision(tmp_path: Path, file: str) -> None:
    home, words = tmp_path / "home", ["gate", "--policy", str(tmp_path / "policy.toml"), "--store", file]
    run(home, *words, "hf://p/mit")
    assert "ask: meta-llama/Meta-Llama-3-8B [llama3], no rule fits" in run(home, *words, META, code=6).stdout
    assert run(home, *words, META, "p/nc", "--format", "quiet", code=1).stdout == f"ask {META}\ndeny p/nc\n"
    (answer,) = run_json(home, *words, "p/mit")
    assert (answer["decision"], answer["reasons"][0]["rule"]) == ("allow", 1)
    run(home, *words, code=2)
    (tmp_path / "policy.toml").write_text("[")
    assert "is no policy" in run(home, *words, "p/mit", code=2).stderr


@pytest.mark.slow
def test_a_folder_is_decided_with_what_the_hub_knows_above_it(
    tmp_path: Path, file: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    home, mine = tmp_path / "home", tmp_path / "mine"
    (tmp_path / "repos").mkdir()
    mine.mkdir()
    (mine / "README.md").write_text("---\nlicense: mit\nbase_model: new/parent\n---\n")
    words = ["gate", "--policy", str(tmp_path / "policy.toml"), "--store", file, str(mine)]
    run(home, *words, code=6)
    with serving(tmp_path / "repos", monkeypatch) as hub:
        hub.records["models/new/parent"] = model("new/parent", tags=["license:cc-by-nc-4.0"])
        done = run(home, *words, "--online", code=1)
    assert "deny: new/parent [cc-by-nc-4.0], we sell" in done.stdout


@pytest.mark.slow
def test_a_script_pulls_only_what_is_allowed(tmp_path: Path, file: str) -> None:
    (tmp_path / "pull.sh").write_text(
        f'{sys.executable} -m atlas_db gate --policy policy.toml --store {file} "$1" > /dev/null && touch pulled\n'
    )
    for name, pulled in (("p/nc", False), (META, False), ("p/mit", True)):
        subprocess.run(["bash", "pull.sh", name], cwd=tmp_path, env=environment(tmp_path / "home"), check=False)
        assert (tmp_path / "pulled").exists() is pulled
    assert ATLAS


def test_a_notice_goes_to_a_file_and_says_what_lacks(tmp_path: Path, file: str) -> None:
    home, out = tmp_path / "home", tmp_path / "NOTICE"
    done = run(home, "notice", "b/Llama-3-leaf", "u/unclear", "--store", file, "--out", str(out))
    assert "1 licence is not known" in done.stderr
    assert "Built with Meta Llama 3" in out.read_text()
    assert run(home, "notice", "p/mit", "--store", file, "--format", "quiet").stdout == "mit\n"
    assert run_json(home, "notice", "p/mit", "--store", file)["licenses"][0]["holders"] == ["p/mit"]
    run(home, "notice", "--store", file, code=2)


@pytest.mark.slow
def test_impact_and_gpai_answer_for_readers_and_programs(tmp_path: Path, file: str) -> None:
    home = tmp_path / "home"
    shown = run(home, "impact", META, "--license", "mit", "--store", file).stdout
    assert "5 models derive from it" in shown
    assert "violation to" in shown
    assert run_json(home, "impact", META, "--store", file)["descendants"] == 5
    assert len(run(home, "impact", META, "--store", file, "--format", "quiet").stdout.splitlines()) == 5
    run(home, "impact", META, "--license", "made-up", "--store", file, code=2)
    assert run(home, "gpai", "b/silent", "--flop", "1e21", "--store", file, "--format", "quiet").stdout == "below\n"
    out = tmp_path / "summary.md"
    assert "Not known" in run(home, "gpai", "d/trained", "--store", file, "--out", str(out)).stdout
    assert "datasets/data/nc" in out.read_text()
    assert run_json(home, "gpai", "d/trained", "--store", file)["sources"][0]["dataset"] == "datasets/data/nc"
