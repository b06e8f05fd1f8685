"""Tuned constants as frozen dataclasses: each with its unit, how it was set, and how much results change with it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import field, fields, is_dataclass
from importlib.resources import files
from typing import NamedTuple, TypeVar

import msgspec

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


class Change(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What changing one constant does to results.

    Attributes:
        smaller: Share of the results that are gained or lost at 4/5 of its value, over those with its own value.
        larger: The same at 5/4.
        measured_on: What was charted or completed.
    """

    smaller: float
    larger: float
    measured_on: str


class Sensitivity(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a benchmark measured.

    Attributes:
        changed: The change by each parameter.
    """

    changed: dict[str, Change]


class ShownParameter(NamedTuple):
    """A tuned constant as `--show-parameters` prints it.

    Attributes:
        parameter: Dotted name.
        value: Its value.
        unit: Unit of the value.
        set_by: How it was set.
        sensitivity: Share of results that change where it is a fifth smaller, and a quarter larger. Of a constant for
            which that is not known, why.
    """

    parameter: str
    value: str
    unit: str
    set_by: str
    sensitivity: str


def read_sensitivity(package: str) -> dict[str, Change]:
    """Return the measured changes that a package ships as `data/sensitivity.json`, by parameter."""
    body = (files(package) / "data" / "sensitivity.json").read_bytes()
    return msgspec.json.decode(body, type=Sensitivity).changed


def shown_parameters(
    parameters: Iterable[Parameter], changed: Mapping[str, Change], unmeasured: Mapping[str, str]
) -> list[ShownParameter]:
    """Return constants as they are printed.

    Args:
        parameters: The constants.
        changed: Measured changes, by parameter.
        unmeasured: Why others were not measured, by parameter.
    """

    def sensitivity(name: str) -> str:
        if (change := changed.get(name)) is not None:
            return f"{change.smaller:.3f}, {change.larger:.3f}"
        return unmeasured.get(name, "not measured")

    return [
        ShownParameter(each.name, f"{each.value}", each.unit, each.set_by, sensitivity(each.name))
        for each in parameters
    ]
