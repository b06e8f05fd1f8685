"""Values of parameters that Bolt can carry: whole numbers of 64 bits, and Unicode."""

from __future__ import annotations

from collections.abc import Mapping

from atlas_db.core.errors import QueryParameterError

MIN_WHOLE, MAX_WHOLE = -(2**63), 2**63 - 1
"""Bounds of whole numbers (Bolt's PackStream, INT_64)."""


def require_sendable(parameters: Mapping[str, object]) -> None:
    """Check the whole numbers and texts of parameters, before the driver fails on one.

    Raises:
        QueryParameterError: A parameter holds a number beyond 64 bits, or half of a surrogate pair.
    """
    for name, value in parameters.items():
        if not _can_be_sent(value):
            raise QueryParameterError(
                f"the parameter {name} holds what no engine does",
                hint="Whole numbers have 64 bits, and texts no lone surrogates",
            )


def _can_be_sent(value: object) -> bool:
    match value:
        case bool():
            return True
        case int():
            return MIN_WHOLE <= value <= MAX_WHOLE
        case str():
            return not any("\ud800" <= character <= "\udfff" for character in value)
        case Mapping():
            return all(map(_can_be_sent, [*value.keys(), *value.values()]))
        case list() | tuple():
            return all(map(_can_be_sent, value))
        case _:
            return True
