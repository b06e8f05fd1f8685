"""Typed decoding that is safe in threads.

msgspec 0.22 builds what it knows of a struct when it is first decoded. Two threads that are the first at once may crash
the process, though its functions are meant to be safe in threads. So a type that threads decode is prepared on import.
"""

from __future__ import annotations

from typing import TypeVar

import msgspec

Kind = TypeVar("Kind", bound=type[msgspec.Struct])


def prepared(kind: Kind) -> Kind:
    """Build what msgspec knows of a struct now, in the thread that imports it: a class decorator."""
    msgspec.json.Decoder(kind)
    return kind
