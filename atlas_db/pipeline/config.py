"""Options of a run from a TOML file: named as on the command line, paths relative to the file."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path
from typing import Any

import msgspec

from atlas_db.core.decoding import MalformedError, read_toml
from atlas_db.core.errors import UsageError, did_you_mean
from atlas_db.core.files import expanded, is_there, reason_of
from atlas_db.pipeline.stages import PipelineOptions

_PATHS = ("hub", "weights", "out", "predictions")
_SEVERAL = ("hub", "weights", "attributes")


def read_config(file: Path) -> dict[str, Any]:
    """Return the values that a TOML file sets.

    Args:
        file: TOML file. Its keys are the fields of `PipelineOptions`, and `store`.

    Raises:
        UsageError: The file cannot be read.
    """
    try:
        values = read_toml(file, dict[str, Any])
    except (OSError, MalformedError) as error:
        raise UsageError(
            f"{file} cannot be read: {reason_of(error)}", hint="Give a TOML file, or --hub and --out"
        ) from error
    for name, value in values.items():
        if name in _PATHS:
            values[name] = (
                [_relative_to(file, each) for each in value] if isinstance(value, list) else _relative_to(file, value)
            )
    return values


def _relative_to(file: Path, path: Any) -> Any:  # noqa: ANN401
    """Return a path relative to a file. What does not exist there stays, as it may name a repository."""
    here = file.parent / expanded(str(path))
    return str(here) if is_there(here) or str(path).startswith((".", "~")) else str(path)


def options_of(values: dict[str, Any]) -> PipelineOptions:
    """Return validated options.

    Args:
        values: Values by the names of the fields of `PipelineOptions`. A single value may replace a list of one.

    Raises:
        UsageError: A value is missing, unknown, or of the wrong type.
    """
    known = [field.name for field in fields(PipelineOptions)]
    if unknown := sorted(set(values) - set(known)):
        options = [*known, "store"]
        hint = f"{did_you_mean(unknown[0], options)} Options: {', '.join(options)}".strip()
        raise UsageError(f"run has no option {unknown[0]!r}", hint=hint)
    for name, flag in (("hub", "--hub FILE"), ("out", "--out DIR")):
        if not values.get(name):
            raise UsageError(f"run needs the option {name}", hint=f"Add {flag}, or `{name}` to the TOML file")
    several = {name: [values[name]] for name in _SEVERAL if isinstance(values.get(name), str | Path)}
    try:
        return msgspec.convert(
            {**values, **several}, PipelineOptions, strict=False, dec_hook=lambda kind, value: kind(value)
        )
    except msgspec.ValidationError as error:
        raise UsageError(f"the options are not valid: {error}", hint="See atlas-db run --help") from error
