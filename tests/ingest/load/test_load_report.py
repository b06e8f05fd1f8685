"""What a load did: counts without clock times, and rejects as JSON lines in a file that is made when needed."""

from __future__ import annotations

import json
from pathlib import Path

from atlas_db.core.records import Reject
from ingest.load.load_report import FIRST_REJECTS, LoadReport, RejectFile, timed


def test_counts_leave_out_clock_times_and_the_run() -> None:
    report = LoadReport(run_id="load-1", rows=3)
    report.nodes.update(created=2, unchanged=5)
    report.claims.update(created=1, changed=4)
    report.lineage.update(removed=7)
    with timed(report.seconds, "read"):
        pass
    assert report.changed == 2 + 5 + 7
    counts = report.counts()
    assert counts["nodes"] == {"created": 2, "unchanged": 5} and counts["rows"] == 3
    assert {"seconds", "run_id", "first_rejects"}.isdisjoint(counts)
    assert report.seconds.keys() == {"read"}


def test_rejects_are_counted_written_and_the_first_are_kept(tmp_path: Path) -> None:
    report = LoadReport()
    file = RejectFile(tmp_path / "rejects" / "load.jsonl", report)
    file.close()
    assert not (tmp_path / "rejects").exists(), "no reject, no file"
    for line in range(FIRST_REJECTS + 5):
        file.add(Reject("in.jsonl", line, "not_json", "broken", "{"))
    file.note("in.jsonl", 7, "oversized_value", "too long", "a/b")
    file.close()
    entries = [json.loads(line) for line in Path(report.reject_file).read_text().splitlines()]
    assert report.rejects == {"not_json": FIRST_REJECTS + 5} and report.notes == {"oversized_value": 1}
    assert len(report.first_rejects) == FIRST_REJECTS and len(entries) == FIRST_REJECTS + 6
    assert entries[0] == {"file": "in.jsonl", "line": 0, "code": "not_json", "reason": "broken", "record": "{"}
    assert entries[-1]["kept"] is True and entries[-1]["id"] == "a/b"
