"""The command line as a process: files, standard input, the environment, the exit code."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

ATLAS = [sys.executable, "-m", "atlas_db.cli.main"]


def run(home: Path, *args: str, code: int = 0, stdin: str = "", **environ: str) -> subprocess.CompletedProcess[str]:
    env = {**os.environ, "ATLAS_DB_HOME": str(home), "ATLAS_DB_HEAP": "1g", "COLUMNS": "160"}
    if (home / "stores" / "demo").exists():
        env["ATLAS_DB_STORE"] = "demo"
    env |= environ
    done = subprocess.run(
        [*ATLAS, *args], input=stdin, capture_output=True, text=True, env=env, check=False, timeout=300
    )
    assert done.returncode == code, (args, done.stdout[-2000:], done.stderr[-2000:])
    return done


def ask(home: Path, *args: str, **options: Any) -> Any:
    return json.loads(run(home, *args, "--format", "json", **options).stdout)
