"""What happens where a bug ends a command: a short message, a report file, and an exit code of its own."""

from __future__ import annotations

import os
import platform
import shlex
import sys
import traceback
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType

import atlas_db
from atlas_db.cli.common import Exit
from atlas_db.cli.output import errors
from atlas_db.core.errors import AtlasError
from atlas_db.core.files import write_private
from atlas_db.core.settings import load_settings, state_folder

FOLDER = "crashes"
"""Folder of the reports, in the folder for state."""


class CrashReport:
    """Turns an exception that nobody foresaw into a report. Wrap the whole command line in it."""

    def __enter__(self) -> None:
        """Begin."""

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Write the report of an exception and end the process; let exits and interruptions pass."""
        if not isinstance(error, Exception):
            return
        text = "".join(traceback.format_exception(error))
        print_crash(error, _written(text), text)
        raise SystemExit(Exit.CRASH) from error


def print_crash(error: Exception, file: Path | None, text: str) -> None:
    """Print the message; where no report could be written, the trace as well."""
    reason = str(error).strip().partition("\n")[0][:200]
    failed = f"{type(error).__name__}: {reason}" if reason else type(error).__name__
    errors().print(f"Error: atlas-db has a fault ({failed}).", style="red", markup=False, soft_wrap=True)
    if file is None:
        errors().print(text, markup=False, soft_wrap=True)
    else:
        errors().print(f"  Please report it with the file {file}.", markup=False, soft_wrap=True)
    errors().print("  Committed changes are kept, and no output is half written.", markup=False, soft_wrap=True)


def _written(text: str) -> Path | None:
    now = datetime.now(UTC)
    head = (
        f"atlas-db {atlas_db.__version__}, Python {platform.python_version()}, {platform.platform()}",
        f"{now.isoformat(timespec='seconds')}  {shlex.join(sys.argv)}",
    )
    try:
        folder = state_folder(load_settings().home) / FOLDER
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        file = folder / f"{now.strftime('%Y%m%dT%H%M%SZ')}-{os.getpid()}.txt"
        write_private(file, "\n".join((*head, "", text)))
    except (OSError, AtlasError):
        return None
    return file
