"""What other people's pipelines take: the action, the hook for commits, the job for GitLab."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from atlas_db.snapshot.snapshot_file import closure, write_repositories
from tests.support.kept import answered
from tests.support.license_hub import META, ROWS
from tests.support.paths import ROOT

ACTION = yaml.safe_load((ROOT / "action.yml").read_text(encoding="utf-8"))


@pytest.mark.slow
@pytest.mark.parametrize(("schema", "file"), [("github-actions", "action.yml"), ("gitlab-ci", "docker/gitlab-ci.yml")])
def test_files_fit_the_schemas_of_their_services(schema: str, file: str) -> None:
    words = ["--builtin-schema", f"vendor.{schema}", file]
    words += ["--data-transform", "gitlab-ci"] if schema == "gitlab-ci" else []
    subprocess.run([sys.executable, "-m", "check_jsonschema", *words], cwd=ROOT, check=True, capture_output=True)


@pytest.mark.slow
def test_the_hook_is_one_for_pre_commit() -> None:
    words = ["validate-manifest", ".pre-commit-hooks.yaml"]
    subprocess.run([sys.executable, "-m", "pre_commit", *words], cwd=ROOT, check=True, capture_output=True)


def test_the_hook_takes_the_files_that_state_an_origin() -> None:
    (hook,) = yaml.safe_load((ROOT / ".pre-commit-hooks.yaml").read_text(encoding="utf-8"))
    taken = [re.search(hook["files"], each) is not None for each in ("a/README.md", "mergekit_config.yml", "a.py")]
    assert taken == [True, True, False]


def test_no_input_of_the_action_is_pasted_into_a_script() -> None:
    for step in ACTION["runs"]["steps"]:
        assert "${{" not in step.get("run", "")
    used = " ".join(str(step.get("env", "")) for step in ACTION["runs"]["steps"])
    assert {name for name in ACTION["inputs"] if f"inputs.{name} " in used} == set(ACTION["inputs"])


@pytest.mark.slow
@pytest.mark.parametrize(
    ("license_id", "fail_on", "code"), [("mit", "violation", 1), ("mit", "never", 0), ("llama3", "violation", 0)]
)
def test_the_action_audits_and_leaves_findings(tmp_path: Path, license_id: str, fail_on: str, code: int) -> None:
    place = answered(ROWS).repositories
    write_repositories(closure(place, [META]), place.newest(), tmp_path / "atlas.parquet")
    (tmp_path / "our model").mkdir()
    (tmp_path / "our model" / "README.md").write_text(f"---\nlicense: {license_id}\nbase_model: {META}\n---\n")
    step = next(each for each in ACTION["runs"]["steps"] if each.get("id") == "audit")
    inputs = {name: str(each["default"]) for name, each in ACTION["inputs"].items()}
    inputs |= {"models": "./our model\n", "store": "atlas.parquet", "online": "false", "fail-on": fail_on}
    values = {name: inputs[text.split("inputs.")[1].split()[0]] for name, text in step["env"].items()}
    paths = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    environ = {
        **os.environ,
        **values,
        "PATH": paths,
        "GITHUB_OUTPUT": "out.txt",
        "ATLAS_DB_HOME": str(tmp_path / "home"),
    }
    done = subprocess.run(
        ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", step["run"]], cwd=tmp_path, env=environ, check=False,
        capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == code, done.stderr
    results = json.loads((tmp_path / "atlas-db.sarif").read_text())["runs"][0]["results"]
    assert {each["level"] for each in results} & {"error"} == ({"error"} if license_id == "mit" else set())
    places = {each["locations"][0]["physicalLocation"]["artifactLocation"]["uri"] for each in results}
    assert places == {"our%20model/README.md"}
    assert (tmp_path / "out.txt").read_text() == "sarif-file=atlas-db.sarif\n"
