"""Fields of protocol buffers in a file, found without reading what they hold: weights are skipped by their length.

Wire format: https://protobuf.dev/programming-guides/encoding/. Every length is checked against the message around it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from atlas_db.core.errors import WeightsError
from ingest.formats.byte_source import ByteSource

_WINDOW = 2**16
"""Bytes that are read at once where fields are close together."""
MAX_VARINT = 10
"""Bytes of the longest number."""
_FIXED = {1: 8, 5: 4}
_MAX_TEXT = 2**20


class Field(NamedTuple):
    """One field.

    Attributes:
        number: Its number in the message.
        value: Its value, where it is a number; else 0.
        start: First byte of what it holds.
        stop: Byte after the last.
    """

    number: int
    value: int
    start: int
    stop: int


class ProtobufFile:
    """Fields of a file."""

    def __init__(self, source: ByteSource) -> None:
        self.source = source
        self._start, self._window = 0, b""

    def fields(self, start: int, stop: int) -> Iterator[Field]:
        """Yield the fields of a message.

        Args:
            start: Its first byte.
            stop: Byte after its last.

        Raises:
            WeightsError: It is no such message, or ends within a field.
        """
        at = start
        while at < stop:
            key, at = self._varint(at, stop)
            number, wire = key >> 3, key & 7
            if wire == 0:
                value, after = self._varint(at, stop)
                yield Field(number, value, at, after)
                at = after
                continue
            if wire == 2:
                length, at = self._varint(at, stop)
            elif wire in _FIXED:
                length = _FIXED[wire]
            else:
                raise WeightsError(self.source.name, f"has a field of the unknown kind {wire} at byte {at:,}")
            if length > stop - at:
                raise WeightsError(self.source.name, f"has a field at byte {at:,} that is longer than what it is in")
            yield Field(number, 0, at, at + length)
            at += length

    def text(self, field: Field) -> str:
        """Return the text of a field.

        Raises:
            WeightsError: It is longer than 1 MiB.
        """
        if field.stop - field.start > _MAX_TEXT:
            raise WeightsError(self.source.name, f"has a text of {field.stop - field.start:,} bytes")
        return self._bytes(field.start, field.stop).decode("utf-8", errors="replace")

    def numbers(self, field: Field) -> list[int]:
        """Return the numbers of a field, one or several in a row."""
        found, at = [], field.start
        while at < field.stop:
            number, at = self._varint(at, field.stop)
            found.append(number)
        return found

    def _varint(self, at: int, stop: int) -> tuple[int, int]:
        """Return a number of variable length, and the byte after it."""
        value = 0
        for place, byte in enumerate(self._bytes(at, min(at + MAX_VARINT, stop))):
            value |= (byte & 0x7F) << (7 * place)
            if byte < 0x80:
                return value, at + place + 1
        raise WeightsError(self.source.name, f"ends within a number at byte {at:,}")

    def _bytes(self, start: int, stop: int) -> bytes:
        if start < self._start or stop > self._start + len(self._window):
            end = min(max(stop, start + _WINDOW), self.source.size)
            self._start, self._window = start, self.source.read(start, end)
        return self._window[start - self._start : stop - self._start]
