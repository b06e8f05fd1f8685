"""Tests of `ingest/formats/gguf_files/gguf_types.py`."""

from __future__ import annotations

import gguf
import numpy as np
import pytest

from ingest.formats.gguf_files.gguf_types import GgufType, gguf_type, gguf_values

RNG = np.random.default_rng(1)


def test_types_of_the_package_have_its_sizes() -> None:
    for kind, (block, size) in gguf.GGML_QUANT_SIZES.items():
        assert gguf_type(int(kind), block, size) == GgufType(kind.name, block, size)
    assert gguf_type(99, 64, 64) is None


def test_one_bit_a_weight() -> None:
    """Blocks of 128 as in ggml-common.h, `block_q1_0`: a scale, then a bit a weight, the lowest first."""
    signs, scale = RNG.integers(0, 2, (3, 256)), RNG.uniform(0.5, 2, (3, 2)).astype(np.float16)
    packed = np.packbits(signs.reshape(3, 2, 128), axis=2, bitorder="little")
    raw = np.concatenate([scale.view(np.uint8).reshape(3, 2, 2), packed], axis=2).reshape(3, -1)
    kind = gguf_type(41, 768, raw.size)
    assert kind == GgufType("Q1_0", 128, 18)
    expected = (signs * 2 - 1) * scale.astype(np.float32).repeat(128, 1)
    np.testing.assert_array_equal(gguf_values(raw, kind), expected)


@pytest.mark.parametrize("block", [64, 128])
def test_two_bits_a_weight_in_blocks_of_either_length(block: int) -> None:
    codes, scale = RNG.integers(0, 4, (64, 256)), RNG.uniform(0.5, 2, (64, 256 // block)).astype(np.float16)
    fields = codes.reshape(64, -1, block // 4, 4).astype(np.uint8) << (2 * np.arange(4, dtype=np.uint8))
    packed = fields.sum(-1, dtype=np.uint8)
    raw = np.concatenate([scale.view(np.uint8).reshape(64, -1, 2), packed], axis=2).reshape(64, -1)
    kind = gguf_type(42, codes.size, raw.size)
    assert kind == GgufType("Q2_0", block, 2 + block // 4)
    expected = (codes - 1) * scale.astype(np.float32).repeat(block, 1)
    np.testing.assert_array_equal(gguf_values(raw, kind), expected)


def test_blocks_that_fit_no_room_are_of_no_known_type() -> None:
    assert gguf_type(42, 8192, 100) is None
    assert gguf_type(42, 63, 100) is None
