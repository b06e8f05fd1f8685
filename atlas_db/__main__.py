"""Where the command line begins: the script `atlas-db`, and `python -m atlas_db` where it is not on the search path."""

from __future__ import annotations

import sys


def main() -> None:
    """Run the command line. An interrupt before a command began ends it without a traceback."""
    try:
        from atlas_db.cli.main import main as run

        run()
    except KeyboardInterrupt:  # commands name their own
        sys.stderr.write("Stopped before the command began.\n")
        raise SystemExit(130) from None


if __name__ == "__main__":
    main()
