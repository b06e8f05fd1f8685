"""Report of a load: counts, rejects, and the file of rejects."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

import msgspec

from atlas_db.core.records import Reject

MAX_REJECT_BYTES = 65536
FIRST_REJECTS = 20


@contextmanager
def timed(seconds: dict[str, float], stage: str) -> Iterator[None]:
    """Record the wall-clock time of a stage."""
    began = time.monotonic()
    yield
    seconds[stage] = round(time.monotonic() - began, 2)


@dataclass(slots=True)
class LoadReport:
    """Counts of one load.

    Attributes:
        run_id: The run; empty in a dry run.
        as_of: Newest snapshot date.
        rows: Records read.
        records: Usable records by kind.
        newest: Newest snapshot date of a usable record, by kind.
        nodes: Repository nodes created, changed, unchanged.
        claims: Attribute claims created and changed.
        claims_by_type: Claims, live or no longer stated, of this input, by relationship type.
        parents: Parent claims by resolution, over the whole graph.
        edges: Lineage edges by relation, over the whole graph.
        lineage: Claims and edges created, changed, removed.
        rejects: Rejected items, by code.
        notes: Values dropped from accepted records, by code.
        files: Input files.
        skipped: Names of files in folders whose format is not read.
        reject_file: Path of the file of rejects; empty where there are none.
        first_rejects: The first rejects.
        dry_run: True where nothing was written.
        seconds: Wall-clock seconds a stage.
    """

    run_id: str = ""
    as_of: str = ""
    rows: int = 0
    records: Counter[str] = field(default_factory=Counter)
    newest: dict[str, str] = field(default_factory=dict)
    nodes: Counter[str] = field(default_factory=Counter)
    claims: Counter[str] = field(default_factory=Counter)
    claims_by_type: Counter[str] = field(default_factory=Counter)
    parents: Counter[str] = field(default_factory=Counter)
    edges: Counter[str] = field(default_factory=Counter)
    lineage: Counter[str] = field(default_factory=Counter)
    rejects: Counter[str] = field(default_factory=Counter)
    notes: Counter[str] = field(default_factory=Counter)
    files: int = 0
    skipped: list[str] = field(default_factory=list)
    reject_file: str = ""
    first_rejects: list[Reject] = field(default_factory=list)
    dry_run: bool = False
    seconds: dict[str, float] = field(default_factory=dict)

    def add_record(self, kind: str, as_of: str) -> None:
        """Count a usable record."""
        self.records[kind] += 1
        self.newest[kind] = max(self.newest.get(kind, ""), as_of)

    def counts(self) -> dict[str, Any]:
        """Return everything that counts, without clock times."""
        whole: dict[str, Any] = msgspec.to_builtins(self)
        return {key: value for key, value in whole.items() if key not in ("seconds", "first_rejects", "run_id")}

    @property
    def changed(self) -> int:
        """How many nodes and claims were created or changed."""
        return sum(self.nodes[k] + self.claims[k] + self.lineage[k] for k in ("created", "changed", "removed"))


class RejectFile:
    """Sets bad items aside as JSON lines: file, line, code, reason, record."""

    def __init__(self, path: Path, report: LoadReport) -> None:
        self._path = path
        self._report = report
        self._handle: IO[bytes] | None = None

    def add(self, reject: Reject) -> None:
        """Write one reject and count it."""
        self._report.rejects[reject.code] += 1
        if len(self._report.first_rejects) < FIRST_REJECTS:
            self._report.first_rejects.append(reject)
        self._write(msgspec.to_builtins(reject))

    def note(self, file: str, line: int, code: str, reason: str, record_id: str) -> None:
        """Write what was left out of a record that was kept, and count it."""
        self._report.notes[code] += 1
        self._write({"file": file, "line": line, "code": code, "reason": reason, "id": record_id, "kept": True})

    def close(self) -> None:
        """Close the file."""
        if self._handle is not None:
            self._handle.close()
            self._handle = None

    def _write(self, entry: dict[str, Any]) -> None:
        if self._handle is None:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            self._handle = self._path.open("wb")
            self._report.reject_file = str(self._path)
        self._handle.write(msgspec.json.encode(entry) + b"\n")
