"""Tests of `ingest/formats/format_registry.py`."""

from __future__ import annotations

from ingest.formats.format_registry import format_rows
from ingest.formats.other_files import KINDS
from ingest.formats.quantized.quantized_formats import QUANTIZED
from ingest.formats.quantized.unread_packings import UNREAD


def test_every_format_is_listed_once_with_what_it_is() -> None:
    rows = format_rows()
    names = [row.name for row in rows]
    assert len(set(names)) == len(names) == 3 + len(QUANTIZED) + len(KINDS) + len(UNREAD)
    for row in rows:
        assert bool(row.read) == bool(row.tool) == bool(row.bytes_read) == (row.places != "nowhere")
        assert row.unknown
        assert (row.verdict == "refused by name") == (row.places == "nowhere")
