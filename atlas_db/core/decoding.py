"""JSON, TOML and Python literals as others write them, with one error for all of them, and decoding safe in threads.

msgspec 0.22 builds what it knows of a struct when it is first decoded. Two threads that are the first at once may crash
the process, though its functions are meant to be safe in threads. So a type that threads decode is prepared on import.
"""

from __future__ import annotations

import ast
import json
import math
import re
import sys
import tomllib
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from atlas_db.core.files import MAX_TEXT_FILE, read_bounded

Kind = TypeVar("Kind", bound=type[msgspec.Struct])
T = TypeVar("T")
MAX_TOML = 2**22
"""Bytes of a TOML file, at most. Its parser is written in Python, and reads some MiB a second."""
MAX_LITERAL = 2**20
"""Characters of a Python literal, at most. The parser needs up to 500 times as much memory, and some seconds."""
_SURROGATE = re.compile("[\ud800-\udfff]")
_SURROGATE_ESCAPE = re.compile(r"\\u[dD][89a-fA-F]")


class MalformedError(ValueError):
    """A text is not the JSON, TOML or literal that it should be. Its reader adds the file, and what to do."""


def prepared(kind: Kind) -> Kind:
    """Build what msgspec knows of a struct now, in the thread that imports it: a class decorator."""
    msgspec.json.Decoder(kind)
    return kind


def json_as(body: bytes | str, kind: type[T]) -> T:
    """Decode JSON into a type.

    Raises:
        MalformedError: It is no JSON, of another type, nested too deeply, or not UTF-8.
    """
    return _named(lambda: msgspec.json.decode(body, type=kind))


def read_json(file: Path, kind: type[T], limit: int = MAX_TEXT_FILE) -> T:
    """Return what a JSON file holds, as a type.

    Args:
        file: The file.
        kind: The type.
        limit: Bytes of the file, at most.

    Raises:
        OSError: The file is longer, or cannot be read.
        MalformedError: It is no JSON, of another type, nested too deeply, or not UTF-8.
    """
    with file.open("rb") as handle:
        return json_as(read_bounded(handle, limit), kind)


def read_toml(file: Path, kind: type[T]) -> T:
    """Return what a TOML file holds, as a type.

    Raises:
        OSError: The file is longer than `MAX_TOML`, or cannot be read.
        MalformedError: It is no TOML, of another type, nested too deeply, or not UTF-8.
    """
    with file.open("rb") as handle:
        body = read_bounded(handle, MAX_TOML)
    return _named(lambda: msgspec.convert(tomllib.loads(body.decode("utf-8")), kind))


def _named(decode: Callable[[], T]) -> T:
    try:
        return decode()
    except UnicodeError as error:
        raise MalformedError("it is not UTF-8") from error
    except ValueError as error:  # among them integers of more digits than Python reads
        raise MalformedError(str(error)) from error
    except RecursionError as error:
        raise MalformedError("it is nested too deeply") from error


def decode_json(body: bytes | str) -> tuple[Any, bool]:
    """Decode JSON, also with `NaN`, `Infinity` and lone surrogates, which Python and others write.

    Returns:
        The value, and whether characters were replaced by U+FFFD.

    Raises:
        MalformedError: It is not JSON even so, or nested too deeply.
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

    def decoded() -> tuple[Any, bool]:
        value = json.loads(text, strict=False, parse_int=_integer)
        if not _SURROGATE_ESCAPE.search(text):
            return value, replaced
        kept = _without_surrogates(value)
        return kept, replaced or kept != value

    return _named(decoded)


def _integer(digits: str) -> int | float:
    """Return an integer; infinity for one of more digits than Python reads, so that it costs its field alone."""
    try:
        return int(digits)
    except ValueError:
        return -math.inf if digits.startswith("-") else math.inf


def decode_literal(text: str) -> Any:  # noqa: ANN401
    """Decode what Python prints of a value, as JSON would have it: keys are text; tuples, sets and lists are one.

    Raises:
        MalformedError: It is no literal, longer than `MAX_LITERAL`, or nested too deeply.
    """
    if len(text) > MAX_LITERAL:
        raise MalformedError(f"it is longer than {MAX_LITERAL // 2**20} MiB")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", SyntaxWarning)
            return _plain(ast.literal_eval(text.strip()))
    except (ValueError, SyntaxError, RecursionError, MemoryError, TypeError) as error:
        raise MalformedError("it is no literal of Python") from error


def _plain(value: Any) -> Any:  # noqa: ANN401
    if isinstance(value, dict):
        return {key_text(key): _plain(each) for key, each in value.items()}
    if isinstance(value, list | tuple | set):
        return [_plain(each) for each in value]
    if isinstance(value, bytes):
        return value.decode("utf-8", errors="replace")
    if isinstance(value, int) and abs(value) > sys.float_info.max:
        return math.inf if value > 0 else -math.inf
    return value if value is None or isinstance(value, str | int | float) else str(value)


def key_text(key: object) -> str:
    """Return a key of a mapping as JSON has it: text as it is, of bytes the text, of other values their JSON."""
    if isinstance(key, str):
        return key
    return key.decode("utf-8", errors="replace") if isinstance(key, bytes) else json.dumps(key, default=str)


def _without_surrogates(value: Any) -> Any:  # noqa: ANN401
    if isinstance(value, str):
        return _SURROGATE.sub("\ufffd", value)
    if isinstance(value, list):
        return [_without_surrogates(each) for each in value]
    if isinstance(value, dict):
        return {_without_surrogates(key): _without_surrogates(each) for key, each in value.items()}
    return value
