"""How fast a Hub list loads, as ratios: ours, the same rows through the bare driver, and loading again.

    uv run python benchmarks/load.py models.jsonl.zst [--store local] [--rows N]

The bare driver sends what our load sends (nodes with all properties, claims with all properties) in CREATE batches of
5,000 in managed transactions, with everything parsed beforehand; its time is the floor that an engine sets.
"""

from __future__ import annotations

import argparse
import itertools
import resource
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from atlas_db.settings import Settings
from atlas_db.store.local import stop
from atlas_db.store.opening import local_place, open_store
from ingest.hub.snapshot import find, newest_date, read
from ingest.load import load
from ingest.merge import merge_node
from ingest.report import LoadReport
from ingest.stream import LoadOptions
from ingest.write import Creator, Entry

BATCH = 5000


def clock(work: Callable[[], Any]) -> tuple[float, Any]:
    """Return seconds and result."""
    began = time.perf_counter()
    result = work()
    return time.perf_counter() - began, result


def bare(settings: Settings, path: str) -> float:
    """Send the same rows through the driver alone; parsing is not counted."""
    from functools import partial

    from ingest.hub.records import decode

    source = find([path], settings.home)[0]
    as_of, _ = newest_date(source)
    creator = Creator("bare", LoadReport())
    seconds = 0.0
    raws = read(source)
    with open_store(settings) as store:
        while chunk := list(itertools.islice(raws, BATCH)):
            entries = []
            for raw in chunk:
                record = decode(raw.body)
                entries.append(Entry(record, as_of, merge_node(None, record, as_of)))
            arguments = creator.prepare(entries)
            spent, _ = clock(partial(store.write, partial(_send, arguments)))
            seconds += spent
    return seconds


def _send(arguments: Any, tx: Any) -> None:  # noqa: ANN401
    Creator.send(tx, arguments)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("path")
    parser.add_argument("--store", default="local")
    parser.add_argument("--no-bare", action="store_true")
    given = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="atlas-bench-"))
    ours = Settings(home=folder, store=f"{given.store}:{folder / 'ours'}", heap="2g")
    with open_store(ours) as store:
        first, report = clock(lambda: load(store, [given.path], LoadOptions(folder)))
        again, second = clock(lambda: load(store, [given.path], LoadOptions(folder)))
    place = local_place(ours)
    if place is not None:
        stop(place[1])
    edges = sum(report.claims.values()) + sum(report.lineage.values())
    out = sys.stdout.write
    out(f"{given.store}: {report.rows:,} rows, {edges:,} claims and lineage edges besides PUBLISHED_BY\n")
    out(f"first load        {first:7.1f} s   {report.seconds}\n")
    out(f"the same again    {again:7.1f} s   {again / first:.2f} of the first; {second.changed} changed\n")
    out(f"peak of Python    {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20:7.2f} GiB\n")
    if not given.no_bare:
        theirs = Settings(home=folder / "b", store=f"{given.store}:{folder / 'bare'}", heap="2g")
        seconds = bare(theirs, given.path)
        out(f"bare driver       {seconds:7.1f} s   records stage is {report.seconds['records'] / seconds:.2f} of it\n")
        bare_place = local_place(theirs)
        if bare_place is not None:
            stop(bare_place[1])


if __name__ == "__main__":
    main()
