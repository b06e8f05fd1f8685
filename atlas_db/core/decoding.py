"""JSON as others write it, and typed decoding that is safe in threads.

msgspec 0.22 builds what it knows of a struct when it is first decoded. Two threads that are the first at once may crash
the process, though its functions are meant to be safe in threads. So a type that threads decode is prepared on import.
"""

from __future__ import annotations

import json
import re
from typing import Any, TypeVar

import msgspec

Kind = TypeVar("Kind", bound=type[msgspec.Struct])
_SURROGATE = re.compile("[\ud800-\udfff]")
_SURROGATE_ESCAPE = re.compile(r"\\u[dD][89a-fA-F]")


def prepared(kind: Kind) -> Kind:
    """Build what msgspec knows of a struct now, in the thread that imports it: a class decorator."""
    msgspec.json.Decoder(kind)
    return kind


def decode_json(body: bytes | str) -> tuple[Any, bool]:
    """Decode JSON, also with `NaN`, `Infinity` and lone surrogates, which Python and others write.

    Returns:
        The value, and whether characters were replaced by U+FFFD.

    Raises:
        ValueError: It is not JSON even so.
    """
    try:
        return msgspec.json.decode(body), False
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        pass
    text, replaced = body if isinstance(body, str) else "", False
    if isinstance(body, bytes):
        try:
            text = body.decode("utf-8-sig")
        except UnicodeDecodeError:
            text, replaced = body.decode("utf-8-sig", errors="replace"), True
    try:
        value = json.loads(text, strict=False)
        if _SURROGATE_ESCAPE.search(text):
            kept = _without_surrogates(value)
            value, replaced = kept, replaced or kept != value
    except RecursionError as error:
        raise ValueError("JSON is nested too deeply") from error
    return value, replaced


def _without_surrogates(value: Any) -> Any:  # noqa: ANN401
    if isinstance(value, str):
        return _SURROGATE.sub("\ufffd", value)
    if isinstance(value, list):
        return [_without_surrogates(each) for each in value]
    if isinstance(value, dict):
        return {_without_surrogates(key): _without_surrogates(each) for key, each in value.items()}
    return value
