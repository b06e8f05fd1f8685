"""Commands as the user can type them: where `atlas-db` is not on the shell's search path, by the path of its script."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import sys
from functools import cache
from pathlib import Path

SCRIPT = "atlas-db"
STORE_VARIABLE = "ATLAS_DB_STORE"
VERBS = (
    "demo", "run", "load", "fetch", "fingerprint", "formats", "chart", "origin", "verify", "similar", "embed",
    "complete", "explain", "evaluate", "query", "lineage", "audit", "bom", "gate", "notice", "impact", "gpai",
    "snapshot", "analyse", "compare", "diff", "export", "dashboard", "mcp", "licenses", "status", "runs", "store",
    "schema", "doctor",
)  # fmt: skip
"""Commands, each in the module of `atlas_db.cli` that has its name."""


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


def as_typed(text: str) -> str:
    """Return a text, such as the hint of an error, whose commands of this program can be typed in the user's shell."""
    return _commands().sub(lambda _: f"{program()} ", text)


@cache
def _commands() -> re.Pattern[str]:
    return re.compile(rf"(?<![\w/.-]){SCRIPT} (?=(?:{'|'.join(VERBS)})\b)")


def on_store(store: str | None) -> tuple[str, ...]:
    """Return the words that name a store; none where the shell's variable names it for printed commands, too."""
    return ("--store", store) if store and store != os.environ.get(STORE_VARIABLE) else ()


def command(*words: str) -> str:
    """Return a command line of this program, every word quoted."""
    return " ".join([program(), *(shlex.quote(word) for word in words)])
