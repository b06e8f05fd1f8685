"""Tests of `atlas_db/cli/load.py`."""

from __future__ import annotations

import csv
import io
import json
import subprocess
from pathlib import Path

import pytest

from atlas_db.cli.load import print_load_report
from atlas_db.cli.output import Format
from atlas_db.core.errors import FAULT
from atlas_db.core.settings import Settings
from atlas_db.store.connect import connect
from ingest.load.load_report import LoadReport
from tests.support.command import ATLAS, environment, run, run_json
from tests.support.graphs import child, model, write_rows
from tests.support.stores import wipe


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
    report = run_json(place, "load", str(inputs), "-", stdin=line["stdin"].decode())
    ids = {row["id"] for row in run_json(place, "query", "-", stdin="MATCH (m:Model) RETURN m.id AS id")}
    assert ids == {f"fmt/{n}" for n in ("gz", "zst", "array", "pretty", "parquet", "stdin")} | {"own/carded"}
    assert report["files"] == 7
    assert run_json(place, "query", "languages")[0]["id"] == "no"
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
    report = run_json(demo, "load", str(path), "--dry-run")
    assert report["rejects"] == {"truncated_file": 1}
    assert 1000 < report["records"]["model"] < 40_000


def test_a_100_mb_line_is_set_aside(demo: Path, tmp_path: Path) -> None:
    path = tmp_path / "long.jsonl"
    with path.open("w") as out:
        out.write(json.dumps(model("long/before")) + "\n")
        out.write('{"id": "' + "x" * 100_000_000 + '"}\n')
        out.write(json.dumps(model("long/after")) + "\n")
    report = run_json(demo, "load", str(path), "--dry-run")
    assert report["rejects"] == {"line_too_long": 1}
    assert report["records"] == {"model": 2}


def test_export_csv_prints_the_command(home: Path, tmp_path: Path) -> None:
    path = write_rows(tmp_path / "rows.jsonl", [model("a/b", tags=["license:mit", "base_model:c/d"]), model("c/d")])
    report = run_json(home, "load", path, "--export-csv", str(tmp_path / "out"))
    assert "database import full" in report["command"]
    text = (tmp_path / "out" / "DERIVED_FROM.Model.Model.csv").read_text()
    rows = list(csv.reader(io.StringIO(text)))
    assert rows[1][:2] == ["a/b", "c/d"]


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
    report = run_json(fresh_home, "load", second, "--as-of", "2024-02-01")
    assert report["nodes"] == {"changed": 2000}
    assert run_json(fresh_home, "query", "licenses")[0]["models"] == 2000


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


def test_a_fault_of_ours_is_to_be_reported(capsys: pytest.CaptureFixture[str]) -> None:
    report = LoadReport(rows=3, reject_file="/r.jsonl")
    report.rejects.update({FAULT: 1, "no_id": 1})
    print_load_report(report, Format.HUMAN)
    out = " ".join(capsys.readouterr().out.split())
    assert "2 items set aside in /r.jsonl" in out and "1 of them met a fault of atlas-db: please report it" in out
