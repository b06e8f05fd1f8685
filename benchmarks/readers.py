"""How the dashboard answers many readers at once, during a load: latency of each page, errors, memory.

Run: python -m benchmarks.readers --store local:DIR [--load FILE]

The store was loaded and audited. FILE is loaded meanwhile.
"""

from __future__ import annotations

import argparse
import http.client
import json
import random
import subprocess
import sys
import threading
import time
from array import array
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple
from urllib.parse import quote

import psutil

from atlas_db.core.settings import load_settings
from atlas_db.store.connect import open_store
from atlas_db.store.statements import Statement
from benchmarks.dashboard import served_dashboard

ATLAS = [sys.executable, "-m", "atlas_db"]
PAGES = (
    "/", "/family", "/questions", "/questions/top_parents?ask=1", "/cypher?q=MATCH+(m:Model)+RETURN+m.id+LIMIT+5",
    "/ecosystem", "/audit", "/audit?page=2", "/quality", "/runs", "/search?q=llama", "/search?q=bert",
    "/download/audit.csv", "/download/audit.sarif", "/download/models.parquet", "/data/map.js", "/static/atlas.css",
)  # fmt: skip
OF_MODELS = (
    "/models/{0}", "/models/{0}?format=json", "/family?a={0}", "/compare?left={0}&right={1}", "/author/{author}",
    "/download/models/{0}/bom.json", "/download/models/{0}/NOTICE.txt",
)  # fmt: skip
SELECTION = "/download/models.parquet"
"""A page that takes the positions of models on the map, and which map that was."""
SELECTED = 50
"""Models of a selection, at most."""
_SOME = Statement("MATCH (m:Model {placeholder: false}) RETURN m.id AS id LIMIT 2000")
_DATASETS = Statement("MATCH (d:Dataset) RETURN d.id AS id LIMIT 200")


@dataclass
class Answers:
    """What readers got.

    Attributes:
        seconds: Latencies of each page, by its address without ids.
        errors: Statuses and failures other than 200, with the address.
        sizes: Resident bytes of the dashboard, about one a second.
    """

    seconds: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    errors: list[str] = field(default_factory=list)
    sizes: list[int] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def all_seconds(self) -> list[float]:
        """Return the latencies of all pages."""
        return [each for found in self.seconds.values() for each in found]


def quantile(values: Sequence[float], share: float) -> float:
    """Return a quantile of some values, 0 where there are none."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else 0.0


def addresses(models: Sequence[str], datasets: Sequence[str], seed: int) -> Iterator[tuple[str, str]]:
    """Yield pages in random order without end: the page, and its address with ids."""
    rng = random.Random(seed)
    authors = [model.partition("/")[0] for model in models if "/" in model]
    while True:
        page = rng.choice((*PAGES, *OF_MODELS, *(("/datasets/{0}",) if datasets else ())))
        ids = rng.choices(datasets if page.startswith("/datasets") else models, k=2)
        yield page, page.format(*map(quote, ids), author=quote(rng.choice(authors)))


def timed(connection: http.client.HTTPConnection, address: str, body: bytes | None = None) -> tuple[int, bytes, float]:
    """Request a page, with a body by POST; return status, answer and seconds."""
    start = time.perf_counter()
    connection.request("GET" if body is None else "POST", address, body)
    answer = connection.getresponse()
    return answer.status, answer.read(), time.perf_counter() - start


def select(connection: http.client.HTTPConnection) -> tuple[int, float]:
    """Download a selection of the map; return status and seconds of the download.

    Where the map was counted anew meanwhile, the dashboard asks its reader to reload the page, which is done once.
    """
    for _ in range(2):
        status, body, seconds = timed(connection, "/?format=json")
        if status != http.client.OK:
            break
        page = json.loads(body)
        positions = array("I", range(min(SELECTED, page["map"]["models"])))
        status, _, seconds = timed(connection, f"{SELECTION}?counted={quote(page['key'])}", positions.tobytes())
        if status != http.client.BAD_REQUEST:
            break
    return status, seconds


def read_pages(
    port: int, pages: Iterator[tuple[str, str]], answers: Answers, stopped: threading.Event, pause: float
) -> None:
    """Be one reader: request page after page over one connection, until it is stopped.

    Args:
        port: The dashboard's port.
        pages: Pages with their addresses.
        answers: What readers got.
        stopped: Set when the reader is to stop.
        pause: Seconds for which a page is looked at.
    """
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    for page, address in pages:
        if stopped.wait(pause):
            break
        start = time.perf_counter()
        try:
            status, *_, seconds = select(connection) if page == SELECTION else timed(connection, address)
            failure = "" if status == 200 else f"{status} {address}"
        except (OSError, http.client.HTTPException) as error:
            connection.close()
            seconds, failure = time.perf_counter() - start, f"{error!r} {address}"
        with answers.lock:
            answers.seconds[page].append(seconds)
            if failure:
                answers.errors.append(failure)
    connection.close()


class Ended:
    """When readers stop: after some seconds, after some requests, or with a process.

    Args:
        seconds: Seconds; 0 for no limit.
        requests: Requests; 0 for no limit.
        process: The process; None for none.
    """

    def __init__(self, seconds: float, requests: int = 0, process: subprocess.Popen[bytes] | None = None) -> None:
        self._until = time.monotonic() + (seconds or 10**9)
        self._requests, self._process = requests, process

    def reached(self, answers: Answers) -> bool:
        """Return whether it is time."""
        return (
            time.monotonic() > self._until
            or (self._process is not None and self._process.poll() is not None)
            or (self._requests > 0 and len(answers.all_seconds()) >= self._requests)
        )


class Readers(NamedTuple):
    """How many readers read at once, and the seconds for which each looks at a page."""

    number: int
    pause: float


def crowd(
    process: psutil.Process, port: int, models: Sequence[str], datasets: Sequence[str], readers: Readers, ended: Ended
) -> Answers:
    """Let readers read until enough was read.

    Args:
        process: The dashboard.
        port: Its port.
        models: Ids of models.
        datasets: Ids of datasets; there may be none.
        readers: The readers.
        ended: When they stop.
    """
    answers, stopped = Answers(), threading.Event()
    threads = [
        threading.Thread(
            target=read_pages, args=(port, addresses(models, datasets, seed), answers, stopped, readers.pause)
        )
        for seed in range(readers.number)
    ]
    for thread in threads:
        thread.start()
    while not ended.reached(answers):
        answers.sizes.append(process.memory_info().rss)
        time.sleep(1)
    stopped.set()
    for thread in threads:
        thread.join()
    return answers


def table(answers: Answers) -> str:
    """Return latencies by page, errors and memory as text."""
    rows = sorted(answers.seconds.items(), key=lambda row: -quantile(row[1], 0.99))
    lines = [
        f"{page:<48} {len(found):7,}  p50 {quantile(found, 0.5):6.3f}  p99 {quantile(found, 0.99):6.3f} s"
        for page, found in [*rows, ("all", answers.all_seconds())]
    ]
    sizes = [size / 2**20 for size in answers.sizes]
    tenth = max(1, len(sizes) // 10)
    if sizes:
        lines.append(f"memory {max(sizes[:tenth]):,.0f} MiB in the first tenth, {max(sizes[-tenth:]):,.0f} in the last")
    return "\n".join([*lines, f"{len(answers.errors):,} errors", *answers.errors[:10]])


def main() -> None:
    """Start a dashboard and a load, let readers read, print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--store", required=True)
    parser.add_argument("--load", default="", help="List that is loaded meanwhile; the readers stop with it.")
    parser.add_argument("--readers", type=int, default=50)
    parser.add_argument("--pause", type=float, default=0.0, help="Seconds for which a reader looks at a page.")
    parser.add_argument("--seconds", type=float, default=0.0, help="Seconds after which the readers stop.")
    parser.add_argument("--requests", type=int, default=0, help="Requests after which the readers stop.")
    options = parser.parse_args()
    with open_store(load_settings(store=options.store)) as store:
        models, datasets = ([row["id"] for row in store.read(each)] for each in (_SOME, _DATASETS))
    with served_dashboard(options.store) as (served, address):
        process, port = psutil.Process(served.pid), int(address.rpartition(":")[2])
        load = [*ATLAS, "load", options.load, "--store", options.store]
        loading = subprocess.Popen(load) if options.load else None
        seconds = options.seconds or (0.0 if loading or options.requests else 60.0)
        readers = Readers(options.readers, options.pause)
        answers = crowd(process, port, models, datasets, readers, Ended(seconds, options.requests, loading))
        if loading is not None:
            loading.terminate()
            loading.wait()
    print(table(answers))


if __name__ == "__main__":
    main()
