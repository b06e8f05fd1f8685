"""A run's plan in a file: the same words as on the command line, paths as seen from the file."""

from __future__ import annotations

import tomllib
from dataclasses import fields
from pathlib import Path
from typing import Any

import msgspec

from atlas_db.errors import UsageError
from atlas_db.flow.stages import FlowOptions

_PATHS = ("hub", "weights", "out", "predictions")


def read_plan(file: Path) -> dict[str, Any]:
    """Read a plan.

    Args:
        file: TOML file; keys are `FlowOptions`' fields and `store`.

    Returns:
        The values that it sets.

    Raises:
        UsageError: It cannot be read, or sets what there is not.
    """
    try:
        values = tomllib.loads(file.read_text(encoding="utf-8"))
    except (OSError, tomllib.TOMLDecodeError) as error:
        raise UsageError(f"{file} cannot be read: {error}", hint="Give a TOML file, or --hub and --out") from error
    known = [field.name for field in fields(FlowOptions)] + ["store"]
    for name, value in values.items():
        if name not in known:
            raise UsageError(f"{file} sets the unknown key {name!r}", hint=f"Known keys: {', '.join(known)}")
        if name in _PATHS:
            values[name] = [_seen(file, each) for each in value] if isinstance(value, list) else _seen(file, value)
    return values


def _seen(file: Path, path: Any) -> Any:  # noqa: ANN401
    """Return a path as seen from the file; what is no path there stays, as it may name a repository."""
    here = file.parent / Path(str(path)).expanduser()
    return str(here) if here.exists() or str(path).startswith((".", "~")) else str(path)


def options_of(values: dict[str, Any]) -> FlowOptions:
    """Return the options that values make.

    Raises:
        UsageError: One is missing, or of another kind.
    """
    for name, flag in (("hub", "--hub FILE"), ("out", "--out DIR")):
        if not values.get(name):
            raise UsageError(f"a run needs {name}", hint=f"Add {flag}, or `{name}` to the plan")
    try:
        return msgspec.convert(values, FlowOptions, strict=False, dec_hook=lambda kind, value: kind(value))
    except msgspec.ValidationError as error:
        raise UsageError(f"the plan does not fit: {error}", hint="See atlas-db run --help") from error
