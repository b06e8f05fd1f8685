"""What the size of the Hub costs: `python -m benchmarks.hub models.jsonl.zst --models 300000,1000000,3100000`.

A real list is grown by its own statistics. A smaller one takes whole authors. A larger one repeats the list under new
authors: of each copy's parents half are those of the original, so that families and fans grow, and half are copies, so
that depth stays. Tags, gaps and names are those of the list; dates go on by a month a copy. Then every verb runs on a
fresh store of each engine. Printed: seconds, processor seconds of the verb, MiB of the verb and of the engine, and
bytes on the disk a model. Growth is that since the size before, over the growth of the number of models.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import blake2b
from pathlib import Path
from typing import Any

import psutil
import zstandard

from atlas_db.core.settings import Settings, load_settings
from atlas_db.store.connect import local_place
from atlas_db.store.managed_engine import read_state, stop_engine
from benchmarks.sample import rows

ATLAS = (sys.executable, "-m", "atlas_db")
DAYS = 30
"""Days by which the dates of each copy go on."""
VERBS: Mapping[str, tuple[str, ...]] = {
    "query": ("query", "top_parents", "--format", "quiet"),
    "lineage": ("lineage", "mistralai/Mistral-7B-v0.1", "--format", "quiet"),
    "audit": ("audit", "--all", "--format", "quiet"),
    "export": ("export", "--to", "parquet", "--out", "{folder}/export"),
    "map": ("dashboard", "--export", "{folder}/site"),
    "complete": ("complete", "--attributes", "pipeline_tag", "--dry-run", "--out", "{folder}/predictions.jsonl"),
}
_WAIT = 0.2


def draw(text: str) -> float:
    """Return a number in [0, 1) that depends on a text alone."""
    return int.from_bytes(blake2b(text.encode(), digest_size=8).digest(), "big") / 2**64


def grow(rows: Iterator[dict[str, Any]], copy: int) -> Iterator[dict[str, Any]]:
    """Yield the rows of one copy of a list under new authors.

    Args:
        rows: Rows of the list.
        copy: Number of the copy, from 1.
    """
    for row in rows:
        own = row["id"]
        row["id"] = row["modelId"] = renamed(own, copy)
        row["createdAt"] = later(row["createdAt"], copy)
        row["tags"] = [of_copy(tag, own, copy) for tag in row.get("tags", ())]
        yield row


def renamed(model: str, copy: int) -> str:
    """Return the id of a model's copy; ids without an author get one."""
    author, slash, name = model.partition("/")
    return f"{author}-{copy}/{name}" if slash else f"old-{copy}/{author}"


def of_copy(tag: str, child: str, copy: int) -> str:
    """Return a tag of a copy: half of the parents are copies, too."""
    kind, colon, parent = tag.rpartition(":")
    if not kind.startswith("base_model") or draw(f"{copy} {child} {parent}") < 0.5:
        return tag
    return f"{kind}{colon}{renamed(parent, copy)}"


def later(date: str, copy: int) -> str:
    """Return the date of a copy."""
    moved = datetime.fromisoformat(date.replace("Z", "+00:00")) + timedelta(days=DAYS * copy)
    return moved.strftime("%Y-%m-%dT%H:%M:%S.000Z")


def write_list(source: Path, models: int, out: Path) -> int:
    """Write a list of about so many models; return how many."""
    size = sum(1 for _ in rows(str(source)))
    written = 0
    with out.open("wb") as file, zstandard.ZstdCompressor(3).stream_writer(file) as stream:
        for copy in range(-(-models // size)):
            share = min(1.0, models / size - copy)
            kept = (row for row in rows(str(source)) if draw(row["id"].partition("/")[0]) < share)
            for row in grow(kept, copy) if copy else kept:
                stream.write(json.dumps(row).encode() + b"\n")
                written += 1
    return written


@dataclass(frozen=True, slots=True)
class Cost:
    """What a verb took.

    Attributes:
        seconds: By the clock.
        processor: Seconds of processors, without those of the engine.
        memory: Largest resident MiB of the verb and its children.
        engine: Largest resident MiB of the engine.
    """

    seconds: float
    processor: float
    memory: int
    engine: int


def measure(arguments: list[str], settings: Settings) -> Cost:
    """Run a verb on the store of some settings.

    Raises:
        SystemExit: The verb failed.
    """
    environment = {**os.environ, "ATLAS_DB_HOME": str(settings.home), "ATLAS_DB_STORE": settings.store}
    began = time.perf_counter()
    memory = engine = processor = 0.0
    place = local_place(settings)
    with subprocess.Popen([*ATLAS, *arguments], env=environment, stdout=subprocess.DEVNULL) as process:
        root = psutil.Process(process.pid)
        while process.poll() is None:
            java = place and (read_state(place[1]) or {}).get("java_pid")
            own = [each for each in family(root) if each.pid != java]
            memory = max(memory, sum(resident(each) for each in own))
            processor = max(processor, sum(worked(each) for each in own))
            engine = max(engine, resident(psutil.Process(java)) if java and psutil.pid_exists(java) else 0)
            time.sleep(_WAIT)
    if process.returncode:
        raise SystemExit(f"{' '.join(arguments)} ended with {process.returncode}")
    return Cost(time.perf_counter() - began, processor, int(memory / 2**20), int(engine / 2**20))


def family(root: psutil.Process) -> list[psutil.Process]:
    """Return a process and its descendants, none once it is gone."""
    try:
        return [root, *root.children(recursive=True)]
    except psutil.NoSuchProcess:
        return []


def resident(process: psutil.Process) -> float:
    """Return the resident bytes of a process, 0 once it is gone."""
    try:
        return float(process.memory_info().rss)
    except psutil.NoSuchProcess:
        return 0.0


def worked(process: psutil.Process) -> float:
    """Return the seconds of processors of a process, 0 once it is gone."""
    try:
        return float(sum(process.cpu_times()[:2]))
    except psutil.NoSuchProcess:
        return 0.0


def run_verbs(
    folder: Path, store: str, models: int, verbs: tuple[str, ...], before: dict[str, tuple[int, float]]
) -> None:
    """Load a list of some models into a fresh store, run the other verbs, and print what each took."""
    home = folder / store
    shutil.rmtree(home, ignore_errors=True)
    settings = load_settings(home=home, store=store)
    place = local_place(settings)
    for verb in ("load", *verbs):
        arguments = ["load", str(folder / "models.jsonl.zst")] if verb == "load" else list(VERBS[verb])
        cost = measure([each.replace("{folder}", str(home)) for each in arguments], settings)
        growth = ""
        if (last := before.get(f"{store} {verb}")) is not None:
            growth = f", growth {cost.seconds / last[1] / (models / last[0]):.2f} times that of the models"
        before[f"{store} {verb}"] = models, cost.seconds
        print(
            f"{models:>9,} {store:12} {verb:9} {cost.seconds:7.1f} s, {cost.processor:7.1f} s of processors, "
            f"{cost.memory:6,} MiB, engine {cost.engine:6,} MiB{growth}",
            flush=True,
        )
    if place is not None:
        stop_engine(place[1])
        used = sum(file.stat().st_size for file in place[1].rglob("*") if file.is_file())
        print(f"{models:>9,} {store:12} disk      {used / models:7.0f} bytes a model", flush=True)


def main() -> None:
    """Grow lists and run the verbs."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.hub", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("list", type=Path, help="a list of models, compressed")
    parser.add_argument("--models", default="300000,1000000,3100000")
    parser.add_argument("--stores", default="local,neo4j-local")
    parser.add_argument("--verbs", default=",".join(VERBS), help=f"of {', '.join(VERBS)}")
    parser.add_argument("--folder", type=Path, default=Path("hub-benchmark"), help="for lists and stores")
    options = parser.parse_args()
    options.folder.mkdir(parents=True, exist_ok=True)
    before: dict[str, tuple[int, float]] = {}
    for wanted in map(int, options.models.split(",")):
        models = write_list(options.list, wanted, options.folder / "models.jsonl.zst")
        for store in options.stores.split(","):
            run_verbs(options.folder, store, models, tuple(filter(None, options.verbs.split(","))), before)


if __name__ == "__main__":
    main()
