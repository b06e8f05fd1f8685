"""The items of a JSON array, one after the other: no more of the file is held than the item that is being read."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import IO, Any

from atlas_db.core.errors import RecordError

CHUNK = 2**20
"""Bytes that are read at once."""
# Up to the next bracket that no string holds. The possessive repeats make it linear in the length of the text.
# Inside an item, lists and objects without others in them are passed over, for speed.
_STRING = rb'"(?:[^"\\]++|\\.)*+"'
_PLAIN = rb'[^"\[\]{}]*+(?:' + _STRING + rb'[^"\[\]{}]*+)*+'
_BETWEEN = re.compile(_PLAIN + rb"([\[\]{}])", re.DOTALL)
_INSIDE = re.compile(_PLAIN + rb"(?:[\[{]" + _PLAIN + rb"[\]}]" + _PLAIN + rb")*+([\[\]{}])", re.DOTALL)
_SCALAR = re.compile(_STRING + rb'|[^\s,"]+', re.DOTALL)


def array_items(start: bytes, handle: IO[bytes] | Any, limit: int) -> Iterator[tuple[int, bytes]]:  # noqa: ANN401
    """Yield number, from 1, and text of each item. An item beyond the limit comes as its beginning, `limit` + 1 bytes.

    Brackets and strings alone are looked at: whether an item is JSON, its reader finds out. So no depth is too deep.

    Args:
        start: The beginning of the array, with its bracket.
        handle: The rest.
        limit: Bytes of an item, at most.

    Raises:
        RecordError: The array does not end, or something follows it.
    """
    text, at, depth, number = start, start.index(b"[") + 1, 1, 0
    begun = at  # of the item, or of what stands between two items
    dropped = b""
    while True:
        found = (_BETWEEN if depth == 1 else _INSIDE).match(text, at)
        if found is None:
            # As much again as could not be used, so that a long string is not scanned once a block.
            block = handle.read(max(CHUNK, len(text) - at))
            if not block or len(text) - at > 2 * limit:
                raise RecordError(f"the JSON array is damaged after item {number}", code="not_json")
            if depth > 1 and at - begun > limit:
                dropped, begun = dropped or text[begun : begun + limit + 1], at
            text, at, begun = text[begun:] + block, at - begun, 0
            continue
        bracket, at = found[1], found.end()
        if depth == 1:
            for scalar in _SCALAR.findall(text, begun, at - 1):
                number += 1
                yield number, scalar
            begun = at - 1
        depth += 1 if bracket in b"[{" else -1
        if depth == 1:
            number += 1
            yield number, dropped or text[begun:at]
            begun, dropped = at, b""
        elif depth == 0:
            if (text[at:] + handle.read(CHUNK)).strip():
                raise RecordError(f"text follows the JSON array of {number} items", code="not_json")
            return
