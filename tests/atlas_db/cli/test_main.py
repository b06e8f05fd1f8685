"""Tests of `atlas_db/cli/main.py`."""

from __future__ import annotations

import re
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest

from atlas_db.cli.main import application
from atlas_db.cli.panels import PANELS
from tests.support.command import ATLAS, environment, run

FULL = Path("/dev/full")


def test_the_release_is_printed(tmp_path: Path) -> None:
    assert run(tmp_path, "--version").stdout.strip() == version("model-atlas-db")


@pytest.mark.slow
def test_every_verb_has_examples_in_its_help(tmp_path: Path) -> None:
    listing = run(tmp_path, "--help").stdout
    for verb in ("demo", "run", "load", "fetch", "query", "lineage", "status", "runs", "store", "schema", "doctor"):
        assert verb in listing
        text = run(tmp_path, verb, "--help").stdout
        assert "Examples:" in text, verb
        assert f"atlas-db {verb}" in text, verb
    for words in (("runs", "rollback"), ("store", "start"), ("store", "stop"), ("store", "status")):
        assert "Examples:" in run(tmp_path, *words, "--help").stdout


@pytest.mark.parametrize(
    ("args", "code", "message"),
    [
        (("query", "ancestor"), 2, "Did you mean ancestors"),
        (("query", "ancestors"), 2, "--param model="),
        (("query", "-"), 2, "empty"),
        (("load", "/nowhere/at/all.jsonl"), 3, "does not exist"),
        (("status", "--store", "redis://x"), 2, "is no address of a store"),
        (("status", "--store", "bogus"), 2, "is no address of a store"),
        (("status", "--store", "bolt://127.0.0.1:9"), 4, "does not answer (connection refused)"),
        (("query", "top_parents", "-p", "relation=quantised"), 2, "Did you mean quantized?"),
        (("query", "search", "-p", "license=apache"), 2, "Did you mean apache-2.0?"),
        (("query", "ancestors", "-p", "model=atlas-demo/turn"), 3, "Did you mean atlas-demo/tern"),
        (("query", "ancestors", "-p", "modle=x"), 2, "Did you mean model?"),
        (("complete", "--attributes", "licence"), 2, "Did you mean license?"),
        (("analyse", "famlies"), 2, "Did you mean families?"),
        (("audit", "--all", "--profile", "strickt"), 2, "Did you mean strict?"),
        (("chart", "nope.parquet"), 3, "nope.parquet does not exist. Make it: atlas-db fingerprint"),
        (("load", "x", "--format", "csv"), 2, "'csv' is for verbs with rows"),
        (("load", "/nowhere/at/all.jsonl"), 3, "atlas-db fetch FOLDER"),
        (("lineage", "a/b", "--store", "local"), 3, "the store local is empty. Load a list"),
        (("query", "verdicts", "--store", "local"), 3, "the store local is empty. Load a list"),
        (("audit", "--all", "--store", "local"), 3, "the store local is empty. Load a list"),
        (("runs", "rollback", "load-none"), 4, "atlas-db runs"),
        (("store", "stop", "--store", "bolt://127.0.0.1:9"), 2, "not a local engine"),
        (("load", "x", "--as-of", "soon"), 3, "does not exist"),
        (("nonsense",), 2, "No such command"),
        (("fetch", "x", "--since", "whenever"), 2, "neither a date"),
        (("audit", "./" + 300 * "a"), 3, "Check the path"),
        (("load", 300 * "a"), 3, "Check the path"),
        (("lineage", "org/" + 300 * "a", "--store", "local"), 3, "the store local is empty. Load a list"),
    ],
)
def test_errors_end_with_what_to_do_in_the_terminal(demo: Path, args: tuple[str, ...], code: int, message: str) -> None:
    assert message in " ".join(run(demo, *args, code=code).stderr.split())


def test_help_imports_nothing_heavy() -> None:
    code = (
        "import sys\n"
        "from typer.testing import CliRunner\n"
        "from atlas_db.cli.main import application\n"
        "assert CliRunner().invoke(application(), ['--help']).exit_code == 0\n"
        "heavy = {'torch', 'neo4j', 'huggingface_hub', 'pyarrow', 'yaml', 'msgspec', 'zstandard', 'arcadedb_embedded'}\n"
        "sys.exit(', '.join(sorted(heavy & sys.modules.keys())) or 0)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_a_verb_imports_no_other_verb() -> None:
    code = (
        "import sys\n"
        "from atlas_db.cli.main import main\n"
        "sys.argv = ['atlas-db', 'licenses', '--help']\n"
        "try:\n"
        "    main()\n"
        "except SystemExit as end:\n"
        "    loaded = {f'atlas_db.cli.{name}' for name in ('audit', 'load', 'store')} & sys.modules.keys()\n"
        "    sys.exit(end.code or ', '.join(loaded) or 0)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "Usage: atlas-db licenses" in done.stdout


@pytest.mark.parametrize("module", ["typer", "atlas_db.cli.licenses"])
def test_an_interrupt_before_a_command_leaves_no_traceback(module: str) -> None:
    code = (
        "import sys\n"
        "from atlas_db.__main__ import main\n"
        "class Interrupt:\n"
        "    def find_spec(self, name, path, target=None):\n"
        f"        if name == {module!r}:\n"
        "            raise KeyboardInterrupt\n"
        "sys.meta_path.insert(0, Interrupt())\n"
        "sys.argv = ['atlas-db', 'licenses']\n"
        "main()\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (130, "", "Stopped before the command began.\n")


def test_every_verb_stands_in_a_panel(tmp_path: Path) -> None:
    listing = run(tmp_path, "--help").stdout
    verbs = [line.split()[0] for line in listing.splitlines() if re.match(r"  [a-z]+  ", line)]
    app = application()
    assert set(verbs) == {each.name for each in app.registered_commands} | {each.name for each in app.registered_groups}
    assert len(verbs) == len(set(verbs)) and all(f"{title}:" in listing for title in PANELS)
    named = [name for names in PANELS.values() for name in names]
    assert len(named) == len(set(named)) and "…" not in listing and "..." not in listing.partition("Start:")[2]


@pytest.mark.slow
@pytest.mark.parametrize("words", [("licenses", "--format", "jsonl"), ("licenses",), ("--help",)])
def test_a_reader_that_leaves_early_is_no_error(tmp_path: Path, words: tuple[str, ...]) -> None:
    with subprocess.Popen(
        [*ATLAS, *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment(tmp_path)
    ) as process:
        assert process.stdout is not None and process.stderr is not None
        process.stdout.close()
        said = process.stderr.read()
        assert (process.wait(timeout=60), said) == (0, b"")


@pytest.mark.engine
def test_the_start_of_an_engine_is_said_once(demo: Path) -> None:
    run(demo, "store", "stop")
    assert run(demo, "query", "verdicts").stderr == "Starting the local engine…\n"
    assert run(demo, "query", "verdicts").stderr == ""


@pytest.mark.engine
def test_own_cypher_on_an_empty_atlas_says_what_to_do(tmp_path: Path) -> None:
    done = run(tmp_path, "query", "MATCH (m:Model) RETURN m.id", "--store", f"local:{tmp_path / 'store'}")
    assert "is empty. Load a list" in done.stderr
    run(tmp_path, "store", "stop", "--store", f"local:{tmp_path / 'store'}")


@pytest.mark.skipif(not FULL.exists(), reason="no device that is always full")
@pytest.mark.parametrize("words", [("--version",), ("--help",), ("store", "--help"), ("formats",)])
def test_output_without_room_is_no_fault_of_the_program(tmp_path: Path, words: tuple[str, ...]) -> None:
    with FULL.open("w") as full:
        done = subprocess.run(
            [*ATLAS, *words], stdout=full, stderr=subprocess.PIPE, text=True, env=environment(tmp_path)
        )
    assert done.returncode == 4
    assert "No space left on device" in done.stderr
