"""Stream of normalised records from files: snapshot dates first, then one pass; bad records are rejected."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from pathlib import Path

from atlas_db.cards.card_store import CardWriter
from atlas_db.core.errors import InputError, RecordError, UsageError
from atlas_db.core.records import HubRecord, Reject
from atlas_db.core.terms import Progress, RecordKind
from ingest.hub.decode import decode_one_of_many
from ingest.hub.snapshot import SourceFile, newest_date, read_records
from ingest.load.load_report import MAX_REJECT_BYTES, LoadReport, RejectFile

TICK_ROWS = 2000
NO_DATE = "no_date"
"""Code of the note that the date of a file stands for that of its records, none of which has one."""

SKIPPED_FILE = "skipped_file"
"""Code of the note on a file of a folder whose format is not read."""


@dataclass(frozen=True, slots=True)
class LoadOptions:
    """Options of a load.

    Attributes:
        home: Home folder: undo files, rejects, cards.
        as_of: Date of the snapshot; where empty, the newest date in each file.
        kind: Kind of the records; where None, it follows from their fields.
        dry_run: Write nothing; report what would change.
        batch_rows: Initial rows of a batch.
    """

    home: Path
    as_of: str = ""
    kind: RecordKind | None = None
    dry_run: bool = False
    batch_rows: int = 5000


class RecordStream:
    """Streams the records of files and counts them in the report.

    Attributes:
        total: Records of the files whose dates were looked for.
    """

    def __init__(self, report: LoadReport, options: LoadOptions, progress: Progress) -> None:
        self._report = report
        self._options = options
        self._progress = progress
        self.total = 0
        self._skipped: list[SourceFile] = []

    def with_dates(self, files: list[SourceFile]) -> list[SourceFile]:
        """Return the files to read, with snapshot dates: the date of the options, else the newest date in each file.

        Raises:
            UsageError: The date of the options is not a date.
        """
        if self._options.as_of:
            try:
                date.fromisoformat(self._options.as_of)
            except ValueError as error:
                raise UsageError(
                    f"--as-of {self._options.as_of!r} is no date", hint="Write it as 2024-07-01"
                ) from error
        self._skipped = [file for file in files if file.skipped]
        self._report.skipped = [file.name for file in self._skipped]
        files = [file for file in files if not file.skipped]
        files_with_dates = []
        for file in files:
            newest, rows = ("", 0) if self._options.as_of else newest_date(file)
            self.total += rows
            files_with_dates.append(replace(file, as_of=self._options.as_of or file.as_of or newest))
            self._progress("scan", len(files_with_dates), len(files))
        # Cards and some tables have no date. They take the newest date of the other files, else that of their file.
        fallback = max((file.as_of for file in files_with_dates), default="")
        files_with_dates = [
            file if file.as_of else replace(file, as_of=fallback or _file_date(file.path), undated=not fallback)
            for file in files_with_dates
        ]
        self._report.files = len(files_with_dates)
        self._report.as_of = max(file.as_of for file in files_with_dates)
        return files_with_dates

    def records(
        self, files: list[SourceFile], rejects: RejectFile, cards: CardWriter | None = None
    ) -> Iterator[tuple[HubRecord, str]]:
        """Yield every usable record with the date of its snapshot. Files that are not read are noted first."""
        for file in self._skipped:
            rejects.note(file.name, 0, SKIPPED_FILE, file.skipped, "")
        for file in files:
            line = 0
            if file.undated:
                reason = f"no record has a date; the file's, {file.as_of}, stands for it: --as-of DATE states another"
                rejects.note(file.name, 0, NO_DATE, reason, "")
            try:
                for raw in read_records(file):
                    line = raw.line
                    self._tick()
                    try:
                        if raw.problem is not None:
                            raise raw.problem
                        record = decode_one_of_many(raw.text, file.kind or self._options.kind)
                    except RecordError as error:
                        kept = raw.text[:MAX_REJECT_BYTES].decode("utf-8", errors="replace")
                        rejects.add(Reject(file.name, raw.line, error.code, error.message, kept))
                        continue
                    for code, text in (*raw.notes, *record.notes):
                        rejects.note(file.name, raw.line, code, text, record.id)
                    self._report.add_record(record.kind, file.as_of)
                    if record.card is not None and cards is not None:
                        cards.add(record, file.as_of)
                    yield record, file.as_of
            except RecordError as error:
                rejects.add(Reject(file.name, line, error.code, error.message))

    def require_records(self) -> None:
        """Raise an error where no record was read.

        Raises:
            InputError: No record was readable.
        """
        if self._report.records:
            return
        reasons = "; ".join(f"{r.file}:{r.line}: {r.reason}" for r in self._report.first_rejects[:3])
        raise InputError(
            f"nothing readable came in ({reasons or 'no records'})",
            hint=f"See {self._report.reject_file}" if self._report.reject_file else "Check the file",
        )

    def _tick(self) -> None:
        self._report.rows += 1
        if self._report.rows % TICK_ROWS == 0:
            self._progress("records", self._report.rows, self.total)


def _file_date(path: Path) -> str:
    return datetime.fromtimestamp(path.stat().st_mtime, UTC).strftime("%Y-%m-%d")
