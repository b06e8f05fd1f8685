"""Commands as the user can type them: where `atlas-db` is not on the shell's search path, by the path of its script."""

from __future__ import annotations

import os
import shlex
import shutil
import sys
from pathlib import Path

SCRIPT = "atlas-db"


def program() -> str:
    """Return what starts this installation's command line in the user's shell, quoted.

    `uv run` puts the script on the search path of the command alone, not of the shell that it was typed in. It names
    itself in the variable `UV` of every command that it starts.
    """
    script = Path(sys.executable).with_name(SCRIPT)
    found = shutil.which(SCRIPT)
    if found is not None and "UV" not in os.environ and (not script.exists() or Path(found).samefile(script)):
        return SCRIPT
    if not script.exists():
        return f"{shlex.quote(sys.executable)} -m atlas_db"
    here = Path.cwd()
    return shlex.quote(str(script.relative_to(here) if script.is_relative_to(here) else script))


def command(*words: str) -> str:
    """Return a command line of this program, every word quoted."""
    return " ".join([program(), *(shlex.quote(word) for word in words)])
