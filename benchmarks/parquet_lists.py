"""What bounds on the decoding of Parquet cost: a list loaded with them, and without, as a ratio.

    python -m benchmarks.parquet_lists models.jsonl

The list, JSON lines, becomes a Parquet file. A dry run decodes it in a process with bounded memory and time, as every
load does, and once more in its own process. Both are run twice, in turn.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pyarrow.json
import pyarrow.parquet as pq

_PROGRAM = """
import sys, ingest.hub.snapshot as snapshot
from atlas_db.cli.main import main
from ingest.hub.parquet_files.parquet_rows import parquet_rows
if sys.argv.pop(1) == "without":
    snapshot.bounded_rows = parquet_rows
main()
"""


def seconds_of_dry_run(list_file: Path, bounds: str) -> float:
    """Return the seconds that a dry run of a list takes, `with` or `without` bounds."""
    began = time.perf_counter()
    subprocess.run([sys.executable, "-c", _PROGRAM, bounds, "load", "--dry-run", str(list_file)], check=True)
    return time.perf_counter() - began


def main() -> None:
    """Make the file, load it in turn, print seconds and the ratio."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("list", help="JSON lines, not compressed.")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        list_file = Path(folder) / "list.parquet"
        large_blocks = pyarrow.json.ReadOptions(block_size=16 * 2**20)
        pq.write_table(pyarrow.json.read_json(options.list, read_options=large_blocks), list_file)
        seconds = {"with": 0.0, "without": 0.0}
        for _ in range(2):
            for bounds in seconds:
                seconds[bounds] += seconds_of_dry_run(list_file, bounds)
    print(f"with bounds {seconds['with']:.1f} s, without {seconds['without']:.1f} s", end=", ")
    print(f"ratio {seconds['with'] / seconds['without']:.2f}")


if __name__ == "__main__":
    main()
