"""How fast a Hub list loads, as ratios: ours, the same rows through the bare driver, again, and the offline import.

    uv run python benchmarks/load.py models.jsonl.zst [--store local]

The bare driver sends the very rows that a load in Cypher sends, in the same transactions, indexes included. Everything
is parsed and packed away on disk beforehand: only its sessions are timed. Its time is the floor of Cypher. The offline
import is Neo4j's own tool on the files of `load --export-csv`; it needs the extra `neo4j-local`.
"""

from __future__ import annotations

import argparse
import resource
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, BinaryIO

import msgspec
import neo4j

from atlas_db.core.settings import Settings, load_settings
from atlas_db.store.bolt import Store, Transaction
from atlas_db.store.connect import ensure_schema, local_place, open_store
from atlas_db.store.managed_engine import stop_engine
from atlas_db.store.statements import Statement, indexes
from benchmarks.offline import import_files
from ingest.load.csv_export import export_csv
from ingest.load.load_records import load
from ingest.load.stream import LoadOptions

Sent = list[tuple[str, dict[str, Any]]]


def clock(work: Callable[[], Any]) -> tuple[float, Any]:
    """Return seconds and result."""
    began = time.perf_counter()
    result = work()
    return time.perf_counter() - began, result


class Recorder:
    """Keeps every transaction that a store commits, as length-prefixed MessagePack. It takes no first load in bulk."""

    batches = offline = None

    def __init__(self, store: Store, file: BinaryIO) -> None:
        self._store = store
        self._file = file

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401
        return getattr(self._store, name)

    def write(self, work: Callable[[Any], Any]) -> Any:  # noqa: ANN401
        """Run the work and keep what it sent."""
        sent: Sent = []

        def recorded(tx: Transaction) -> Any:  # noqa: ANN401
            sent.clear()
            return work(_Listener(tx, sent))

        result = self._store.write(recorded)
        packed = msgspec.msgpack.encode(sent)
        self._file.write(len(packed).to_bytes(8, "big") + packed)
        return result


class _Listener:
    def __init__(self, tx: Transaction, sent: Sent) -> None:
        self._tx = tx
        self._sent = sent

    def run(self, statement: Statement, **parameters: object) -> Any:  # noqa: ANN401
        return self._tx.run(statement, **parameters)

    def run_batch(self, statement: Statement, rows: Any, **parameters: object) -> None:  # noqa: ANN401
        self._sent.append((statement.text, {"rows": rows, **parameters}))
        self._tx.run_batch(statement, rows, **parameters)


def transactions(file: BinaryIO) -> Iterator[Sent]:
    """Yield what a recorder kept."""
    while size := file.read(8):
        yield msgspec.msgpack.decode(file.read(int.from_bytes(size, "big")))


def replay(settings: Settings, path: Path) -> float:
    """Send the same transactions through the driver alone; return the seconds that its sessions took."""

    def work(tx: neo4j.ManagedTransaction, sent: Sent) -> None:
        for text, parameters in sent:
            tx.run(text, parameters).consume()

    seconds = 0.0
    with open_store(settings) as store, path.open("rb") as file:
        ensure_schema(store)
        with store._session(neo4j.WRITE_ACCESS) as session:
            for sent in transactions(file):
                spent, _ = clock(lambda sent=sent: session.execute_write(work, sent))
                seconds += spent
        spent, _ = clock(lambda: store.apply_schema(indexes()))
    return seconds + spent


def close(settings: Settings) -> None:
    """Stop a local engine."""
    place = local_place(settings)
    if place is not None:
        stop_engine(place[1])


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("path")
    parser.add_argument("--store", default="local")
    given = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="atlas-bench-"))
    cache = load_settings().home / "cache"
    (folder / "cache").symlink_to(cache)
    options = LoadOptions(folder)
    out = sys.stdout.write

    def settings(name: str) -> Settings:
        return Settings(home=folder, store=f"{given.store}:{folder / name}", heap="2g")

    with open_store(settings("ours")) as store:
        first, report = clock(lambda: load(store, [given.path], options))
        again, second = clock(lambda: load(store, [given.path], options))
    close(settings("ours"))
    edges = sum(report.claims.values()) + sum(report.lineage.values())
    out(f"{given.store}: {report.rows:,} rows, {edges:,} claims and lineage edges besides PUBLISHED_BY\n")
    out(f"first load        {first:7.1f} s   {report.seconds}\n")
    out(f"the same again    {again:7.1f} s   {again / first:.2f} of the first; {second.changed} changed\n")
    out(f"peak of Python    {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20:7.2f} GiB\n")
    sys.stdout.flush()
    with open_store(settings("kept")) as store, (folder / "sent").open("wb") as file:
        load(Recorder(store, file), [given.path], options)  # type: ignore[arg-type]
    close(settings("kept"))
    floor = replay(settings("bare"), folder / "sent")
    close(settings("bare"))
    out(f"bare driver       {floor:7.1f} s   the first load is {first / floor:.2f} of it\n")
    sys.stdout.flush()
    written, (_, command) = clock(lambda: export_csv([given.path], options, folder / "csv", lambda *_: None))
    taken, _ = clock(lambda: import_files(command, folder / "imported", cache))
    out(f"offline import    {written + taken:7.1f} s   {written:.1f} s to write the files, {taken:.1f} s to import\n")


if __name__ == "__main__":
    main()
