"""Headers of safetensors files."""

from __future__ import annotations

from pathlib import Path

from ingest.formats.byte_source import LocalFile
from ingest.formats.safetensors import Header, read_header


def header_of(path: Path) -> Header:
    with LocalFile(path) as source:
        return read_header(source)
