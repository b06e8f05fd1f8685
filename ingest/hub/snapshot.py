"""Files of Hub records: finds them, detects their format by content, and streams their raw records.

Formats: JSON lines (plain, gzip, zstandard), JSON arrays and objects, Parquet, model cards, and folders of these.
What is held in memory is bounded: a line, an item of an array, an object or a card.
Standard input is copied to disk first, because a load reads its input twice.
"""

from __future__ import annotations

import contextlib
import gzip
import shutil
import sys
import zlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO, Any, NamedTuple

import msgspec
import zstandard

from atlas_db.core.decoding import MalformedError, read_toml
from atlas_db.core.errors import FAULT, AtlasError, InputError, RecordError, fault_text
from atlas_db.core.files import printable, read_bounded, read_text_file
from atlas_db.core.terms import RecordKind
from ingest.hub.array_items import array_items
from ingest.hub.field_values import day_of
from ingest.hub.hub_row import read_row
from ingest.hub.local_repository import (
    CARD,
    LocalRepository,
    cached_repository,
    card_in,
    folder_id,
    inner_repositories,
    read_repository,
    weights_repository,
)
from ingest.hub.parquet_files.bounded_rows import bounded_rows
from ingest.hub.record_ids import record_id

SNAPSHOT_FILE = "snapshot.toml"
"""Written by `fetch` beside its pages; says the date of the snapshot."""
MAX_LINE = 32 * 2**20
"""Bytes of a line, of an item of an array, of an object alone in its file, and of a card, at most."""
CHUNK = 2**20
_DAMAGED = (EOFError, zstandard.ZstdError, zlib.error, gzip.BadGzipFile)
PACKED_BYTES = 1024
"""Bytes that are decompressed at once. One kB can stand for 32 MiB (zstandard has blocks of 4 bytes for 128 KiB)."""
MAX_WINDOW = 2**27
"""Bytes of plain text that a frame may refer back to, all of which are held: what `zstd` writes without `--long`."""
SUFFIXES = (".jsonl", ".ndjson", ".json", ".parquet")
COMPRESSED = (".gz", ".zst")
_OTHER_SUFFIXES = frozenset({
    ".csv", ".tsv", ".feather", ".arrow", ".ipc", ".orc", ".avro", ".xlsx", ".xls", ".bz2", ".xz", ".lz4", ".br",
    ".zip", ".7z", ".tar", ".tgz", ".gz", ".zst", ".db", ".sqlite", ".duckdb", ".pkl", ".pickle",
})  # fmt: skip
"""Endings of files that may hold records in a format that is not read."""
_OTHER_FORMAT = "has a format that is not read"


@dataclass(frozen=True, slots=True)
class SourceFile:
    """One input file.

    Attributes:
        path: Its path.
        name: Its name in reports.
        card_of: Model id, where the file is that model's card.
        repository: The repository on this disk that is read in its place, if it is a part of one.
        kind: Kind of its records, where the folder states it.
        as_of: Date of the snapshot, where a fetched folder states it.
        skipped: Why it is not read, where a folder holds it and its format is none of those read; else empty.
        undated: Whether none of its records has a date, so that the file's stands for it.
    """

    path: Path
    name: str
    card_of: str = ""
    repository: LocalRepository | None = None
    kind: RecordKind | None = None
    as_of: str = ""
    undated: bool = False
    skipped: str = ""


@dataclass(frozen=True, slots=True)
class RawRecord:
    """One undecoded record of a file.

    Attributes:
        line: Line or row number, from 1.
        text: The JSON text.
        problem: Error that makes the text unusable, if any.
        notes: What was left out of it before it became text, as (code, text).
    """

    line: int
    text: bytes
    problem: RecordError | None = None
    notes: Sequence[tuple[str, str]] = ()


def find_inputs(paths: list[str], spool: Path) -> list[SourceFile]:
    """List the input files under the given paths, in a stable order.

    A repository of the Hub's cache, and a folder of weights, are one input each: the files in them are no records.

    Args:
        paths: Files, folders, or `-` for standard input.
        spool: Folder for a copy of standard input.

    Raises:
        InputError: A path does not exist, or a folder holds nothing readable.
    """
    files: list[SourceFile] = []
    for path in paths:
        if path == "-":
            files.append(_spooled(spool))
        elif (place := Path(path)).is_dir():
            stated = read_snapshot_file(place)
            found = [replace(file, as_of=stated.as_of, kind=file.kind or stated.kind) for file in _found(place, place)]
            if all(file.skipped for file in found):
                others = f" ({', '.join(file.name for file in found[:3])} {_OTHER_FORMAT})" if found else ""
                raise InputError(
                    f"{path} holds no JSON, Parquet or README.md files{others}", hint="Name a file, or another folder"
                )
            files += found
        elif place.is_file():
            files.append(_as_source(place, place.parent))
        else:
            raise InputError(
                f"{path} does not exist", hint="Check the path, or fetch a list first: atlas-db fetch FOLDER"
            )
    return files


class FetchedSnapshot(NamedTuple):
    """What a finished fetch states in its folder: the date of the snapshot and the kind of its records, if any."""

    as_of: str = ""
    kind: RecordKind | None = None


def read_snapshot_file(folder: Path) -> FetchedSnapshot:
    """Read what a finished fetch states in its folder; nothing where there is none."""
    try:
        stated = read_toml(folder / SNAPSHOT_FILE, dict[str, Any])
    except (OSError, MalformedError):
        return FetchedSnapshot()
    kind = stated.get("kind")
    return FetchedSnapshot(
        day_of(str(stated.get("as_of", ""))), RecordKind(kind) if kind in tuple(RecordKind) else None
    )


def _found(folder: Path, root: Path) -> Iterator[SourceFile]:
    """Yield the inputs in a folder and below it, sorted by path; hidden folders are passed over."""
    if (cached := cached_repository(folder)) is not None:
        yield SourceFile(
            card_in(cached.folder) or folder, printable(folder), repository=cached, kind=cached.record_kind
        )
        return
    try:
        weights, entries = weights_repository(folder), sorted(folder.iterdir())
    except OSError:
        yield SourceFile(folder, printable(folder))  # the attempt to read it says why it cannot be read
        return
    if weights is not None:
        yield SourceFile(card_in(folder) or folder, printable(folder), repository=weights, kind=RecordKind.MODEL)
        for inner in inner_repositories(folder):
            yield from _found(inner, root)
    for entry in entries:
        if entry.is_dir():
            if weights is None and not entry.name.startswith(".") and not entry.is_symlink():
                yield from _found(entry, root)
        elif _is_input(entry) and not (weights is not None and entry.suffix.lower() in (".json", ".md")):
            yield _as_source(entry, root)
        elif weights is None and entry.suffix.lower() in _OTHER_SUFFIXES and not entry.name.startswith("."):
            yield replace(_as_source(entry, root), skipped=f"it {_OTHER_FORMAT}: write it as JSON lines or Parquet")


def _is_input(file: Path) -> bool:
    name = file.name.lower()
    for packed in COMPRESSED:
        name = name.removesuffix(packed)
    return file.is_file() and (name.endswith(SUFFIXES) or name == CARD) and not name.startswith((".", "reject"))


def _as_source(file: Path, root: Path) -> SourceFile:
    if file.suffix.lower() == ".md":
        if (cached := cached_repository(file)) is not None:
            return SourceFile(file, printable(file), repository=cached, kind=cached.record_kind)
        return SourceFile(file, printable(file), card_of=folder_id(file.parent))
    return SourceFile(file, printable(file.relative_to(root) if file != root else file))


def _spooled(spool: Path) -> SourceFile:
    spool.mkdir(parents=True, exist_ok=True)
    target = spool / "stdin"
    with target.open("wb") as handle:
        shutil.copyfileobj(sys.stdin.buffer, handle)
    return SourceFile(target, "<stdin>")


def read_records(source: SourceFile) -> Iterator[RawRecord]:
    """Stream the records of one file.

    Yields:
        Records. A damaged one has its problem set; the rest of the file is still read where the format allows.

    Raises:
        RecordError: The whole file, or the rest of it, cannot be read.
    """
    try:
        if source.repository is not None:
            yield _repository_record(source.repository)
            return
        with source.path.open("rb") as handle:
            head = handle.read(8)
            handle.seek(0)
            if not head:
                raise RecordError("the file is empty", code="empty_file")
            if head[:4] == b"PAR1":
                yield from _parquet_records(source.path)
            elif source.card_of:
                text = read_text_file(source.path)
                yield RawRecord(1, msgspec.json.encode({"id": source.card_of, "card": text}))
            elif head[:4] == b"\x28\xb5\x2f\xfd":
                yield from _text_records(_ZstandardReader(handle))
            elif head[:2] == b"\x1f\x8b":
                with gzip.open(handle) as plain:
                    yield from _text_records(plain)
            else:
                yield from _text_records(handle)
    except _DAMAGED as error:
        raise RecordError(f"the file is truncated or damaged ({error})", code="truncated_file") from error
    except OSError as error:
        raise RecordError(f"the file cannot be read ({error})", code="unreadable_file") from error
    except AtlasError:
        raise
    except Exception as error:  # the rest of one file must not end the others; the fault is reported with its place
        raise RecordError(fault_text(error), code=FAULT) from error


def _repository_record(found: LocalRepository) -> RawRecord:
    if found.record_kind is None:
        raise RecordError(f"{found.id} is a {found.kind}, not a model or dataset", code="unknown_kind")
    if found.missing:
        code, reason = found.notes[0]
        raise RecordError(reason, code=code)
    row, notes = read_repository(found)
    return RawRecord(1, msgspec.json.encode(row), notes=notes)


def _new_frame() -> zstandard.ZstdDecompressionObj:
    return zstandard.ZstdDecompressor(max_window_size=MAX_WINDOW).decompressobj()


class _ZstandardReader:
    """Reads zstandard frames. Unlike the library's reader, it raises an error where the last frame is truncated."""

    def __init__(self, handle: IO[bytes]) -> None:
        self._handle = handle
        self._frame = _new_frame()
        self._rest = b""

    def read(self, size: int) -> bytes:
        """Return about as many plain bytes, at most 32 MiB more; fewer at the end, where none are left."""
        parts: list[bytes] = []
        while size > 0:
            packed = self._rest[:PACKED_BYTES] or self._handle.read(PACKED_BYTES)
            self._rest = self._rest[PACKED_BYTES:]
            if not packed:
                if not self._frame.eof:
                    raise zstandard.ZstdError("the last frame is cut off")
                break
            if self._frame.eof:
                self._frame = _new_frame()
            parts.append(self._frame.decompress(packed))
            size -= len(parts[-1])
            if self._frame.eof:
                self._rest = self._frame.unused_data + self._rest
        return b"".join(parts)


def _text_records(handle: IO[bytes] | Any) -> Iterator[RawRecord]:  # noqa: ANN401
    first = handle.read(CHUNK).removeprefix(b"\xef\xbb\xbf")
    blank = lines = 0
    while not first.strip():
        if not first:
            raise RecordError("the file is empty", code="empty_file")
        blank += len(first)
        lines += first.count(b"\n")
        if blank > MAX_LINE:
            raise RecordError(f"the file begins with {MAX_LINE // 2**20} MiB of white space", code="not_json")
        first = handle.read(CHUNK)
    start = first.lstrip()
    if start[:1] == b"[":
        yield from _array_records(start, handle)
    elif start[:1] == b"<":
        raise RecordError("the file is HTML or XML, not JSON", code="not_json")
    elif start[:1] == b"{" and _is_one_object(start):
        yield RawRecord(1, start + read_bounded(handle, MAX_LINE))
    else:
        yield from _line_records(first, handle, lines)


def _is_one_object(start: bytes) -> bool:
    """True for an object printed over several lines: then its first line is no whole JSON value."""
    line, newline, _ = start.partition(b"\n")
    return bool(newline) and line.strip() in (b"{", b"{\r")


def _array_records(start: bytes, handle: IO[bytes] | Any) -> Iterator[RawRecord]:  # noqa: ANN401
    for number, item in array_items(start, handle, MAX_LINE):
        yield _too_long(number, item, "item") if len(item) > MAX_LINE else RawRecord(number, item)


def _line_records(first: bytes, handle: IO[bytes] | Any, number: int) -> Iterator[RawRecord]:  # noqa: ANN401
    pending, skipping = first, False
    while True:
        *lines, pending = pending.split(b"\n")
        for line in lines:
            number += 1
            if skipping:
                skipping = False
                yield _too_long(number, line)
            elif line.strip():
                yield RawRecord(number, line)
        if len(pending) > MAX_LINE:
            skipping, pending = True, b""
        try:
            block = handle.read(CHUNK)
        except (*_DAMAGED, OSError) as error:
            raise RecordError(
                f"the file is truncated or damaged after line {number} ({error})", code="truncated_file"
            ) from error
        if not block:
            break
        pending += block
    if skipping:
        yield _too_long(number + 1, pending)
    elif pending.strip():
        yield RawRecord(number + 1, pending)


def _too_long(number: int, line: bytes, what: str = "line") -> RawRecord:
    problem = RecordError(f"the {what} is longer than {MAX_LINE // 2**20} MiB", code="line_too_long")
    return RawRecord(number, line[:1000], problem)


def _parquet_records(path: Path) -> Iterator[RawRecord]:
    for number, (text, notes) in enumerate(bounded_rows(path), 1):
        yield RawRecord(number, text, notes=notes) if text else _too_long(number, text, "row")


class _Dates(msgspec.Struct):
    createdAt: str | None = None
    lastModified: str | None = None
    info: msgspec.Raw = msgspec.Raw(b"")
    created_at: None = None
    last_modified: None = None
    updatedAt: None = None


class _Ids(msgspec.Struct):
    id: str | None = None
    modelId: str | None = None
    info: msgspec.Raw = msgspec.Raw(b"")
    model_id: None = None
    updatedAt: None = None


_DATES = msgspec.json.Decoder(_Dates)
_IDS = msgspec.json.Decoder(_Ids)


def repeated_ids(sources: Iterable[SourceFile]) -> set[str]:
    """Return the ids that more than one record of these files has. Records that do not decode are passed over."""
    seen: set[str] = set()
    again: set[str] = set()
    for source in sources:
        with contextlib.suppress(RecordError):
            for raw in read_records(source):
                # What this pass cannot read, the one that loads the records names, also where it is a fault of ours.
                with contextlib.suppress(Exception):
                    identifier, _, _ = record_id(_identifier(raw.text), source.kind)
                    (again if identifier in seen else seen).add(identifier)
    return again


def _identifier(text: bytes) -> str:
    try:
        row = _IDS.decode(text)
        inner = _IDS.decode(row.info) if bytes(row.info)[:1] == b"{" else row
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        other, _ = read_row(text)
        return other.id or other.modelId or ""
    return row.id or inner.id or row.modelId or inner.modelId or ""


def newest_date(source: SourceFile) -> tuple[str, int]:
    """Return the newest date in a file's records (YYYY-MM-DD, empty where there is none) and their number."""
    newest, rows = "", 0
    with contextlib.suppress(RecordError):
        for raw in read_records(source):
            rows += 1
            try:
                for text in _dates(raw.text):
                    # Where zones differ, an equal day as written can be a later one in UTC.
                    if text and (day := text[:10]) >= newest and (day > newest or text[-1] != "Z"):
                        newest = max(newest, day_of(text))
            except Exception:  # noqa: BLE001 - as in `repeated_ids`
                continue
    return newest, rows


def _dates(text: bytes) -> tuple[str | None, ...]:
    try:
        dates = _DATES.decode(text)
        if not dates.info or bytes(dates.info)[:1] != b"{":
            return (dates.createdAt, dates.lastModified) if dates.lastModified else (dates.createdAt,)
        inner = _DATES.decode(dates.info)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return _dates_in_any_shape(text)
    return dates.createdAt, dates.lastModified, inner.createdAt, inner.lastModified


def _dates_in_any_shape(text: bytes) -> tuple[str | None, ...]:
    try:
        row, _ = read_row(text)
    except RecordError:
        return ()
    return row.createdAt, row.lastModified
