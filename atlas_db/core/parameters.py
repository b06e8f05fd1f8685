"""Tuned constants as frozen dataclasses: each with its unit and how it was set."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import field, fields, is_dataclass
from typing import NamedTuple, TypeVar

Value = TypeVar("Value")


class Parameter(NamedTuple):
    """One tuned constant.

    Attributes:
        name: Dotted name, as `merges.beam_width`.
        value: Its value.
        unit: Unit of the value; "1" for a pure number.
        set_by: How the value was set: a definition, a paper, or the data that it was tuned on.
    """

    name: str
    value: object
    unit: str
    set_by: str


def parameter(default: Value, unit: str, set_by: str) -> Value:
    """Return a dataclass field for a tuned constant.

    Args:
        default: Its value.
        unit: Unit of the value; "1" for a pure number.
        set_by: How the value was set: a definition, a paper, or the data that it was tuned on.
    """
    return field(default=default, metadata={"unit": unit, "set_by": set_by})


def parameters_of(group: object, prefix: str = "") -> Iterator[Parameter]:
    """Yield the tuned constants of a parameter class, those of nested classes under dotted names."""
    for each in fields(group):  # type: ignore[arg-type]
        value = getattr(group, each.name)
        if is_dataclass(value):
            yield from parameters_of(value, f"{prefix}{each.name}.")
        else:
            yield Parameter(prefix + each.name, value, each.metadata["unit"], each.metadata["set_by"])
