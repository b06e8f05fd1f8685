"""`python -m atlas_db`: the command line, where the script `atlas-db` is not on the search path."""

from __future__ import annotations

from atlas_db.cli.main import main

if __name__ == "__main__":
    main()
