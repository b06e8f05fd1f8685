"""Tests of `ingest/formats/quantized/transposed/packed_words.py`."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from safetensors.numpy import save_file

from ingest.formats.byte_source import LocalFile
from ingest.formats.quantized.transposed.packed_words import StoredColumns, fields_at
from ingest.formats.safetensors import read_header


def test_columns_are_gathered_as_rows(tmp_path: Path) -> None:
    words = np.random.default_rng(1).integers(0, 2**31, (5, 24)).astype(np.uint32)
    scales = np.random.default_rng(2).normal(size=(5, 24)).astype(np.float16)
    save_file({"words": words, "scales": scales}, tmp_path / "m.safetensors")
    wanted = np.array([3, 23, 3])
    with LocalFile(tmp_path / "m.safetensors") as source:
        stored = {tensor.name: (source, tensor) for tensor in read_header(source).tensors}
        np.testing.assert_array_equal(StoredColumns(stored["words"]).words(wanted), words.T[wanted])
        np.testing.assert_array_equal(
            StoredColumns(stored["scales"]).floats(wanted), scales.T[wanted].astype(np.float32)
        )


def test_columns_that_were_read_last_are_not_read_again(tmp_path: Path) -> None:
    words = np.random.default_rng(1).integers(0, 2**31, (5, 24)).astype(np.uint32)
    save_file({"words": words}, tmp_path / "m.safetensors")
    with LocalFile(tmp_path / "m.safetensors") as source:
        columns = StoredColumns((source, read_header(source).tensors[0]))
        columns.words(np.array([3, 8, 20]))
        before = source.bytes_read
        np.testing.assert_array_equal(columns.words(np.array([20, 3, 20])), words.T[[20, 3, 20]])
        assert source.bytes_read == before
        np.testing.assert_array_equal(columns.words(np.array([4])), words.T[[4]])
        assert source.bytes_read > before


def test_fields_begin_at_a_bit_of_each_row() -> None:
    words = np.array([[0x12345678, 0x9ABCDEF0], [0x12345678, 0x9ABCDEF0]], np.uint32)
    found = fields_at(words, np.array([0, 28]), 4)
    assert found.tolist() == [[0x8, 0x0], [0x1, 0x9]]
