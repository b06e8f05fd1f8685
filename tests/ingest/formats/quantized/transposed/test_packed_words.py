"""Tests of `ingest/formats/quantized/transposed/packed_words.py`."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from safetensors.numpy import save_file

from ingest.formats.byte_source import LocalFile
from ingest.formats.quantized.transposed.packed_words import fields_at, gather_floats, gather_words
from ingest.formats.safetensors import read_header


def test_columns_are_gathered_as_rows(tmp_path: Path) -> None:
    words = np.random.default_rng(1).integers(0, 2**31, (5, 24)).astype(np.uint32)
    scales = np.random.default_rng(2).normal(size=(5, 24)).astype(np.float16)
    save_file({"words": words, "scales": scales}, tmp_path / "m.safetensors")
    wanted = np.array([3, 23, 3])
    with LocalFile(tmp_path / "m.safetensors") as source:
        stored = {tensor.name: (source, tensor) for tensor in read_header(source).tensors}
        np.testing.assert_array_equal(gather_words(stored["words"], wanted), words.T[wanted])
        np.testing.assert_array_equal(gather_floats(stored["scales"], wanted), scales.T[wanted].astype(np.float32))


def test_fields_begin_at_a_bit_of_each_row() -> None:
    words = np.array([[0x12345678, 0x9ABCDEF0], [0x12345678, 0x9ABCDEF0]], np.uint32)
    found = fields_at(words, np.array([0, 28]), 4)
    assert found.tolist() == [[0x8, 0x0], [0x1, 0x9]]
