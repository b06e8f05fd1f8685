"""The command line, in the process of the tests or in one of its own.

`run` and `ask` call the entry point in this process: no interpreter starts and no library is imported anew. `run_process`
starts a process. It is for what belongs to a process: its exit code, its end by a signal, what it leaves running.
"""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any
from unittest.mock import patch

from atlas_db.cli.main import application
from atlas_db.cli.output import console, errors

APP = application()
ATLAS = [sys.executable, "-m", "atlas_db"]
Done = subprocess.CompletedProcess[str]


def environment(home: Path, **environ: str) -> dict[str, str]:
    """Return the environment of a command: a home folder, a small heap, and the demo's store where there is one."""
    # As in a shell whose environment is active: printed commands begin with the name of the script.
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}"
    here = {name: value for name, value in os.environ.items() if name != "UV"}
    env = {**here, "PATH": path, "ATLAS_DB_HOME": str(home), "ATLAS_DB_HEAP": "1g", "COLUMNS": "160"}
    if (home / "stores" / "demo").exists():
        env["ATLAS_DB_STORE"] = "demo"
    return env | environ


def _checked(done: Done, code: int) -> Done:
    assert done.returncode == code, (done.args, done.stdout[-2000:], done.stderr[-2000:])
    return done


def run_process(home: Path, *args: str, code: int = 0, stdin: str = "", **environ: str) -> Done:
    """Run a command in a process of its own, and check its exit code."""
    done = subprocess.run(
        [*ATLAS, *args], input=stdin, capture_output=True, text=True, env=environment(home, **environ), check=False,
        timeout=300,
    )  # fmt: skip
    return _checked(done, code)


def _forget_consoles() -> None:
    """Let the consoles be made anew: they read the width of the terminal once."""
    console.cache_clear()
    errors.cache_clear()


def run(home: Path, *args: str, code: int = 0, stdin: str = "", **environ: str) -> Done:
    """Run a command in this process, and check its exit code."""
    streams = {
        "stdin": io.TextIOWrapper(io.BytesIO(stdin.encode()), encoding="utf-8"),
        "stdout": io.TextIOWrapper(io.BytesIO(), encoding="utf-8"),
        "stderr": io.TextIOWrapper(io.BytesIO(), encoding="utf-8"),
    }
    _forget_consoles()
    with patch.dict(os.environ, environment(home, **environ), clear=True), patch.multiple(sys, **streams):
        try:
            APP(list(args), prog_name="atlas-db")
            ended = 0
        except SystemExit as exit:
            ended = exit.code if isinstance(exit.code, int) else int(exit.code is not None)
        written = []
        for name in ("stdout", "stderr"):
            streams[name].flush()
            written.append(streams[name].buffer.getvalue().decode())  # type: ignore[attr-defined]
    _forget_consoles()
    return _checked(subprocess.CompletedProcess([*ATLAS, *args], ended, *written), code)


def run_json(home: Path, *args: str, **options: Any) -> Any:
    """Run a command in this process, and return the JSON that it writes."""
    return json.loads(run(home, *args, "--format", "json", **options).stdout)
