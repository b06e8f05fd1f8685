"""The command line as people use it: real processes, real files, real exit codes."""

from __future__ import annotations

import csv
import io
import json
import subprocess
from importlib.metadata import version
from pathlib import Path

import pytest

from atlas_db.core.settings import Settings
from atlas_db.store.connect import connect
from tests.support.command import ATLAS, ask, environment, run
from tests.support.graphs import child, model, write_rows
from tests.support.stores import wipe


@pytest.fixture(scope="module")
def home(demo_home: Path) -> Path:
    return demo_home


@pytest.fixture(scope="module")
def demo(home: Path) -> Path:
    answer = ask(home, "demo")
    assert len(answer["answers"]) == 6
    assert all(entry["rows"] for entry in answer["answers"])
    assert {stage["state"] for stage in answer["stages"].values()} == {"kept"}
    return home


def test_demo_holds_everything_it_promises(demo: Path) -> None:
    relations = {row["relation"] for row in ask(demo, "query", "edge_counts")}
    assert relations == {"finetune", "adapter", "quantized", "merge", "duplicate"}
    resolutions = {row["resolution"] for row in ask(demo, "query", "resolutions")}
    assert {"exact", "renamed", "absent", "self_loop", "cycle"} <= resolutions
    assert ask(demo, "query", "license_changes")
    assert ask(demo, "status")["nodes"]["Model"] > 300
    text = run(demo, "demo").stdout
    assert "Try next:" in text
    assert text.count(" kept ") == 6
    statuses = {row["status"] for row in ask(demo, "query", "edge_counts")}
    assert statuses == {"declared", "verified", "undeclared", "contradicted"}


def test_the_release_is_told(home: Path) -> None:
    assert run(home, "--version").stdout.strip() == version("model-atlas-db")


def test_every_verb_says_examples_in_its_help(home: Path) -> None:
    listing = run(home, "--help").stdout
    for verb in ("demo", "run", "load", "fetch", "query", "lineage", "status", "runs", "store", "schema", "doctor"):
        assert verb in listing
        text = run(home, verb, "--help").stdout
        assert "Examples:" in text, verb
        assert f"atlas-db {verb}" in text, verb
    for words in (("runs", "rollback"), ("store", "start"), ("store", "stop"), ("store", "status")):
        assert "Examples:" in run(home, *words, "--help").stdout


def test_query_formats(demo: Path) -> None:
    rows = ask(demo, "query", "top_parents", "-p", "limit=3")
    assert [set(row) for row in rows] == [{"id", "children"}] * 3
    table = list(
        csv.DictReader(io.StringIO(run(demo, "query", "top_parents", "-p", "limit=3", "--format", "csv").stdout))
    )
    assert [(row["id"], int(row["children"])) for row in table] == [(row["id"], row["children"]) for row in rows]
    quiet = run(demo, "query", "top_parents", "-p", "limit=3", "--format", "quiet").stdout.split()
    assert quiet == [row["id"] for row in rows]
    assert rows[0]["id"] in run(demo, "query", "top_parents").stdout
    own = ask(
        demo, "query", "-", "-p", "n=2", stdin="MATCH (m:Model) RETURN m.id AS id ORDER BY id LIMIT toInteger($n)"
    )
    assert len(own) == 2
    assert ask(demo, "query", "-", stdin="MATCH (m:Model {id: 'no'}) RETURN m.id AS id") == []
    assert len(ask(demo, "query")) >= 30


def test_lineage(demo: Path) -> None:
    found = ask(demo, "lineage", "mistralai/Mistral-7B-v0.1")
    assert found["counts"]["children"] == sum(found["counts"]["children_by_relation"].values())
    text = run(demo, "lineage", "mistralai/Mistral-7B-v0.1").stdout
    assert "was made into" in text
    assert "+" in text and "finetune" in text
    error = run(demo, "lineage", "mistralai/Mistral-7B-v0.3", code=3).stderr
    assert "Did you mean" in error
    assert "mistralai/Mistral-7B-v0.1" in error


@pytest.mark.parametrize(
    ("args", "code", "says"),
    [
        (("query", "ancestor"), 2, "Did you mean ancestors"),
        (("query", "ancestors"), 2, "--param model="),
        (("query", "-"), 2, "empty"),
        (("load", "/nowhere/at/all.jsonl"), 3, "does not exist"),
        (("status", "--store", "redis://x"), 4, "store address"),
        (("status", "--store", "bogus"), 2, "names no store"),
        (("status", "--store", "bolt://127.0.0.1:9"), 4, "does not answer"),
        (("runs", "rollback", "load-none"), 4, "atlas-db runs"),
        (("store", "stop", "--store", "bolt://127.0.0.1:9"), 2, "not a local engine"),
        (("load", "x", "--as-of", "soon"), 3, "does not exist"),
        (("nonsense",), 2, "No such command"),
        (("fetch", "x", "--since", "whenever"), 2, "neither a date"),
    ],
)
def test_errors_say_what_to_do(demo: Path, args: tuple[str, ...], code: int, says: str) -> None:
    assert says in " ".join(run(demo, *args, code=code).stderr.split())


def test_own_cypher_is_refused_when_it_writes(demo: Path) -> None:
    error = run(demo, "query", "-", stdin="MATCH (m:Model) SET m.downloads = 0", code=2)
    assert "--write" in error.stderr
    assert ask(demo, "query", "most_downloaded", "-p", "limit=1")[0]["value"] > 0


def test_load_reads_every_format(fresh_home: Path, tmp_path: Path) -> None:
    import gzip

    import pyarrow as pa
    import pyarrow.parquet as pq
    import zstandard

    place, inputs = fresh_home, tmp_path / "in"
    inputs.mkdir()
    line = {name: json.dumps(model(f"fmt/{name}")).encode() for name in ("gz", "zst", "stdin", "pretty", "array")}
    (inputs / "a.jsonl.gz").write_bytes(gzip.compress(line["gz"]))
    (inputs / "b.jsonl.zst").write_bytes(zstandard.compress(line["zst"]))
    (inputs / "c.json").write_text("[" + line["array"].decode() + "]")
    (inputs / "d.json").write_text(json.dumps(model("fmt/pretty"), indent=2))
    pq.write_table(pa.Table.from_pylist([model("fmt/parquet", tags=["license:mit"])]), inputs / "e.parquet")
    card = inputs / "own" / "carded"
    card.mkdir(parents=True)
    (card / "README.md").write_text("---\nlicense: mit\nlanguage: no\n---\n# Card\n")
    report = ask(place, "load", str(inputs), "-", stdin=line["stdin"].decode())
    ids = {row["id"] for row in ask(place, "query", "-", stdin="MATCH (m:Model) RETURN m.id AS id")}
    assert ids == {f"fmt/{n}" for n in ("gz", "zst", "array", "pretty", "parquet", "stdin")} | {"own/carded"}
    assert report["files"] == 7
    assert ask(place, "query", "languages")[0]["id"] == "no"
    assert list((place / "cards").glob("*.parquet"))


def test_a_batch_with_bad_items_exits_0_and_reports_them(demo: Path, tmp_path: Path) -> None:
    path = tmp_path / "mixed.jsonl"
    path.write_text(json.dumps(model("mixed/ok")) + "\n{broken\n")
    done = run(demo, "load", str(path), "--dry-run")
    assert "1 items set aside" in done.stdout
    assert "mixed.jsonl:2" in done.stdout
    path.write_text("")
    assert "empty" in run(demo, "load", str(path), code=3).stderr


def test_truncated_archives_keep_what_they_hold(demo: Path, tmp_path: Path) -> None:
    import random

    import zstandard

    noise = random.Random(7)
    rows = "".join(json.dumps(model(f"cut/{n}", sha=f"{noise.random()}")) + "\n" for n in range(40_000)).encode()
    path = tmp_path / "cut.jsonl.zst"
    packed = zstandard.compress(rows)
    path.write_bytes(packed[: len(packed) * 2 // 3])
    report = ask(demo, "load", str(path), "--dry-run")
    assert report["rejects"] == {"truncated_file": 1}
    assert 1000 < report["records"]["model"] < 40_000


def test_a_100_mb_line_is_set_aside(demo: Path, tmp_path: Path) -> None:
    path = tmp_path / "long.jsonl"
    with path.open("w") as out:
        out.write(json.dumps(model("long/before")) + "\n")
        out.write('{"id": "' + "x" * 100_000_000 + '"}\n')
        out.write(json.dumps(model("long/after")) + "\n")
    report = ask(demo, "load", str(path), "--dry-run")
    assert report["rejects"] == {"line_too_long": 1}
    assert report["records"] == {"model": 2}


def test_export_csv_prints_the_command(home: Path, tmp_path: Path) -> None:
    path = write_rows(tmp_path / "rows.jsonl", [model("a/b", tags=["license:mit", "base_model:c/d"]), model("c/d")])
    report = ask(home, "load", path, "--export-csv", str(tmp_path / "out"))
    assert "database import full" in report["command"]
    text = (tmp_path / "out" / "DERIVED_FROM.Model.Model.csv").read_text()
    rows = list(csv.reader(io.StringIO(text)))
    assert (rows[1][0], rows[1][-1]) == ("a/b", "c/d")


def test_doctor_and_store(home: Path) -> None:
    found = ask(home, "doctor")
    assert found["ok"], found
    assert ask(home, "store", "status")["running"]
    assert ask(home, "store", "stop")["stopped"]
    assert not ask(home, "store", "status")["running"]
    assert not ask(home, "store", "stop")["stopped"]


def test_schema(home: Path) -> None:
    assert run(home, "schema", "--markdown").stdout == (Path(__file__).parents[2] / "SCHEMA.md").read_text()
    assert ask(home, "schema")["version"] == 2


def test_a_full_disk_is_an_error_and_nothing_is_lost(fresh_home: Path, tmp_path: Path) -> None:
    """A limit on file size stands in for the full disk: the undo file of the second load cannot grow."""
    import resource

    first = write_rows(tmp_path / "a.jsonl", [model(f"disk/{n}") for n in range(2000)])
    second = write_rows(tmp_path / "b.jsonl", [model(f"disk/{n}", tags=["license:mit"]) for n in range(2000)])
    run(fresh_home, "load", first, "--as-of", "2024-01-01")
    done = subprocess.run(
        [*ATLAS, "load", second, "--as-of", "2024-02-01"],
        env=environment(fresh_home), capture_output=True, text=True, check=False,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000)),
    )  # fmt: skip
    assert done.returncode == 4, done.stderr[-2000:]
    assert "run the same command again" in " ".join(done.stderr.split())
    report = ask(fresh_home, "load", second, "--as-of", "2024-02-01")
    assert report["nodes"] == {"changed": 2000}
    assert ask(fresh_home, "query", "licenses")[0]["models"] == 2000


def test_load_counts_what_the_dashboard_shows(fresh_home: Path, local_settings: Settings, tmp_path: Path) -> None:
    write_rows(tmp_path / "rows.jsonl", [model("a/b"), child("c/d", "finetune:a/b")])
    rows = str(tmp_path / "rows.jsonl")
    run(fresh_home, "load", rows, "--no-statistics")
    assert not (fresh_home / "dashboard").exists()
    run(fresh_home, "load", rows)
    (report,) = (fresh_home / "dashboard").glob("*/report.json")
    assert json.loads(report.read_bytes())["models"] == 2
    empty = tmp_path / "datasets.jsonl"
    write_rows(empty, [{"_id": "0", "id": "d/set", "author": "d", "cardData": {}, "gated": False}])
    with connect(local_settings) as store:
        wipe(store)
    run(fresh_home, "load", str(empty), "--kind", "dataset")
