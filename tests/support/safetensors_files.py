"""Headers of safetensors files, and files of tensors of any type."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ingest.formats.byte_source import LocalFile
from ingest.formats.safetensors import Header, read_header


def header_of(path: Path) -> Header:
    with LocalFile(path) as source:
        return read_header(source)


def raw_safetensors(
    path: Path, tensors: Mapping[str, tuple[str, Sequence[int], bytes]], metadata: Mapping[str, str] | None = None
) -> None:
    """Write a file of tensors of any type, each as type, shape and bytes."""
    header: dict[str, Any] = {"__metadata__": dict(metadata)} if metadata else {}
    start = 0
    for name, (dtype, shape, data) in tensors.items():
        header[name] = {"dtype": dtype, "shape": list(shape), "data_offsets": [start, start + len(data)]}
        start += len(data)
    text = json.dumps(header).encode()
    path.write_bytes(len(text).to_bytes(8, "little") + text + b"".join(data for _, _, data in tensors.values()))
