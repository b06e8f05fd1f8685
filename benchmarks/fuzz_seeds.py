"""Few small inputs that reach what long fuzzing reached, kept with the tests: guided fuzzing begins with them.

`python -m benchmarks.fuzz_seeds records` takes the inputs of `fuzz-corpus/records`. Of those that reach the same lines
it keeps the shortest.
"""

from __future__ import annotations

import argparse
import base64
import json
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path
from types import FrameType
from typing import Any, TypeVar

from atlas_db.core.errors import AtlasError
from benchmarks.fuzz import TARGETS

ROOT = Path(__file__).parents[1]
FOLDER = ROOT / "tests" / "benchmarks" / "fuzz_seeds"
NOT_KEPT = frozenset({"parquet", "gguf", "onnx"})
"""Whole files that programs of others read: mutated ones are not published, as nobody knows what they do there."""
ONLY_VALID = frozenset({"lists", "safetensors"})
"""Headers of such files, and files that may be compressed: what our reader refuses is not kept."""
MOST_BYTES = {"safetensors": 4096}
MOST_BYTES_OF_TEXT, MOST_BRACKETS = 512, 64
"""Bytes of other inputs, and brackets that they open: little is deep or large in so few."""
MOST_SECONDS = 1.0
"""Seconds in which an input is read while its lines are watched, which takes some twenty times as long as otherwise."""
T = TypeVar("T")
Step = tuple[str, int, int, int]
"""A file, two lines that follow each other in it, and how often: the number of binary digits."""


def read_seeds(name: str) -> list[bytes]:
    """Return the kept inputs of a target."""
    file = FOLDER / f"{name}.jsonl"
    lines = file.read_text(encoding="ascii").splitlines() if file.is_file() else []
    return [base64.b64decode(json.loads(line)) for line in lines]


def write_seeds(name: str, bodies: Iterable[bytes]) -> None:
    """Write the kept inputs of a target, one a line; where there are none, no file."""
    FOLDER.mkdir(exist_ok=True)
    lines = [json.dumps(base64.b64encode(body).decode()) + "\n" for body in bodies]
    file = FOLDER / f"{name}.jsonl"
    file.unlink(missing_ok=True)
    if lines:
        file.write_text("".join(lines), encoding="ascii")


def steps_of(work: Callable[[], T]) -> tuple[set[Step], T]:
    """Return which lines of the product follow each other while it does some work, how often, and what came of it."""
    counts: Counter[tuple[str, int, int]] = Counter()
    ours = tuple(f"{ROOT / package}/" for package in ("atlas_db", "ingest", "cypher"))

    def follow(frame: FrameType, event: str, _: object) -> Callable[..., Any] | None:
        name, before = frame.f_code.co_filename, frame.f_lineno
        if event != "call" or not name.startswith(ours):
            return None

        def step(inner: FrameType, event: str, _: object) -> Callable[..., Any]:
            nonlocal before
            if event == "line":
                counts[name, before, inner.f_lineno] += 1
                before = inner.f_lineno
            return step

        return step

    sys.settrace(follow)
    try:
        result = work()
    finally:
        sys.settrace(None)
    return {(*each, count.bit_length()) for each, count in counts.items()}, result


def is_small(name: str, body: bytes) -> bool:
    """Return whether an input is so small and plain that it does no harm to any reader."""
    if name == "cards" and b"&" in body:
        return False  # An anchor of YAML can make a text that holds itself, or grows when it is read.
    opened = sum(body.count(bracket) for bracket in b"[{(")
    return len(body) <= MOST_BYTES.get(name, MOST_BYTES_OF_TEXT) and opened <= MOST_BRACKETS


def is_read(name: str, body: bytes, folder: Path) -> bool:
    """Return whether a reader takes an input, or refuses it by name where only it reads such."""
    try:
        TARGETS[name][1](body, folder)
    except AtlasError:
        return name not in ONLY_VALID
    return True


def fewest(name: str, corpus: Iterable[bytes]) -> list[bytes]:
    """Return the shortest inputs that reach what the whole corpus reaches beyond the first inputs of the target."""
    first = TARGETS[name][0]
    others = sorted({body for body in corpus if is_small(name, body)}, key=lambda each: (len(each), each))
    reached: set[Step] = set()
    kept = []
    with tempfile.TemporaryDirectory() as folder:
        for body in [*first, *others]:
            began = time.perf_counter()
            # Once for each: what a reader keeps of an input, it does not do again.
            steps, suits = steps_of(partial(is_read, name, body, Path(folder)))
            suits = suits and time.perf_counter() - began < MOST_SECONDS
            if body in first:
                reached |= steps
            elif suits and not steps <= reached:
                reached |= steps
                kept.append(body)
    return kept


def main() -> None:
    """Keep the seeds of some targets, and print how many."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("targets", nargs="*", help="all of the corpus by default, but for whole files of others")
    parser.add_argument("--corpus", type=Path, default=Path("fuzz-corpus"), help="folder of kept inputs")
    given = parser.parse_args()
    found = {folder.name for folder in given.corpus.iterdir()} - NOT_KEPT
    for name in given.targets or sorted(found & TARGETS.keys()):
        corpus = [file.read_bytes() for file in (given.corpus / name).iterdir()]
        kept = fewest(name, [*corpus, *read_seeds(name)])
        write_seeds(name, kept)
        print(f"{name:<15}{len(corpus):>6,} inputs, {len(kept):>4,} kept, {sum(map(len, kept)):>7,} bytes")


if __name__ == "__main__":
    main()
