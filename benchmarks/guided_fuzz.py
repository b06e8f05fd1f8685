"""Mutated inputs that are led by the lines they reach, for one reader of foreign input (atheris, libFuzzer).

`python -m benchmarks.guided_fuzz records --seconds 60` keeps what reaches new lines in `fuzz-corpus/records`, and
starts from it the next time. An exception that is none of the reader's ends it; its input lies in `fuzz-found`.
`benchmarks/fuzz.py` has the readers and their first inputs, `benchmarks/fuzz_seeds.py` those that were kept.
"""

from __future__ import annotations

import argparse
import hashlib
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["atlas_db", "ingest", "cypher"]):
    from atlas_db.core.errors import AtlasError
    from benchmarks.fuzz import TARGETS, is_named
    from benchmarks.fuzz_seeds import read_seeds

MAX_BYTES = 4096
"""Bytes of an input, at most."""


def keep_seeds(name: str, corpus: Path) -> None:
    """Write first and kept inputs of a reader into its corpus, each under its digest, as libFuzzer names them."""
    corpus.mkdir(parents=True, exist_ok=True)
    for seed in (*TARGETS[name][0], *read_seeds(name)):
        (corpus / hashlib.sha1(seed, usedforsecurity=False).hexdigest()).write_bytes(seed)


def one_input(name: str, folder: Path) -> Callable[[bytes], None]:
    """Return a function that reads one input."""
    read = TARGETS[name][1]

    def run(body: bytes) -> None:
        try:
            read(body, folder)
        except AtlasError as error:
            if not is_named(error):
                raise

    return run


def main() -> None:
    """Fuzz one reader. libFuzzer ends the process."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("target", choices=sorted(TARGETS))
    parser.add_argument("--seconds", type=int, default=60, help="at most")
    parser.add_argument("--inputs", type=int, default=-1, help="at most; -1 for as many as fit the time")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--corpus", type=Path, default=Path("fuzz-corpus"), help="folder of kept inputs")
    parser.add_argument("--out", type=Path, default=Path("fuzz-found"), help="folder of inputs that were not caught")
    given = parser.parse_args()
    corpus = given.corpus / given.target
    keep_seeds(given.target, corpus)
    given.out.mkdir(exist_ok=True)
    options = {
        "max_total_time": given.seconds,
        "runs": given.inputs,
        "seed": given.seed,
        "max_len": MAX_BYTES,
        "print_final_stats": 1,
    }
    options["rss_limit_mb"] = 0  # libFuzzer counts the peak of the process that started it, too
    options["artifact_prefix"] = f"{given.out}/{given.target}-"
    with tempfile.TemporaryDirectory() as folder:
        atheris.Setup(
            [sys.argv[0], *(f"-{name}={value}" for name, value in options.items()), str(corpus)],
            one_input(given.target, Path(folder)),
        )
        atheris.Fuzz()


if __name__ == "__main__":
    main()
