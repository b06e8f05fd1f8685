"""Charts public test sets and compares: `python -m benchmarks.real run --models DIR --hub --out OUT`.

    python -m benchmarks.real sets CHECKOUTS     # reads ids and expected relations from the authors' repositories
    python -m benchmarks.real run --models DIR --out OUT

A model's weights are read where they lie, in a folder of any layout or in the Hub's cache. With --hub they are read on
the Hub, by HTTP ranges. What is not there is left out, with the reason in OUT/models.jsonl. Run again to go on.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from atlas_db.core.errors import AtlasError
from atlas_db.core.terms import MIN_CHARTED_CONFIDENCE
from benchmarks.real.public_sets import read_sets, write_sets
from benchmarks.real.run import Options, dry_run, run
from benchmarks.real.show import show_counts
from benchmarks.real.sources import SOURCES, read_checkout

SETS = Path(__file__).parent / "sets"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one of the verbs; return the exit code."""
    given = _parser().parse_args(arguments)
    try:
        if given.verb == "sets":
            found = [read_checkout(source, given.checkouts) for source in SOURCES]
            write_sets(found, given.sets)
            show_counts(found, given.sets)
            return 0
        options = Options(
            read_sets(given.sets), given.set or [], given.models or [], given.hub, given.out, given.min_confidence,
            given.time, given.json,
        )  # fmt: skip
        (dry_run if given.dry_run else run)(options)
    except AtlasError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_code
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.real", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    verbs = parser.add_subparsers(dest="verb", required=True)
    made = verbs.add_parser("sets", help="read the sets from checkouts of their repositories")
    made.add_argument("checkouts", type=Path, help="folder of checkouts, each under its repository's name")
    ran = verbs.add_parser("run", help="fingerprint, chart and compare")
    ran.add_argument("--models", type=Path, action="append", help="folder of models or cache of the Hub; repeatable")
    ran.add_argument("--hub", action="store_true", help="read what lies in no folder from the Hub (HF_ENDPOINT)")
    ran.add_argument("--set", action="append", help="name of a set; repeatable; all by default")
    ran.add_argument("--out", type=Path, required=True, help="folder of fingerprints, chart and results")
    ran.add_argument(
        "--min-confidence", type=float, default=MIN_CHARTED_CONFIDENCE, help="abstain below this confidence"
    )
    ran.add_argument("--no-time", dest="time", action="store_false", help="do not use dates as evidence")
    ran.add_argument("--dry-run", action="store_true", help="say what would be read, and how large it is")
    ran.add_argument("--json", action="store_true", help="print the results as JSON")
    for each in (made, ran):
        each.add_argument("--sets", type=Path, default=SETS, help="folder of the sets' data files")
    return parser


if __name__ == "__main__":
    raise SystemExit(main())
