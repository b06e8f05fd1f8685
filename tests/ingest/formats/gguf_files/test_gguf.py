"""Tests of `ingest/formats/gguf_files/gguf.py`."""

from __future__ import annotations

from pathlib import Path

import gguf
import numpy as np
import pytest

from atlas_db.core.errors import WeightsError
from ingest.formats.byte_source import LocalFile
from ingest.formats.gguf_files.gguf import GgufTensor, read_gguf, read_gguf_metadata
from tests.support.families import HEADS, HIDDEN
from tests.support.gguf_files import write_gguf
from tests.support.packing import RNG


def _tensors(path: Path) -> list[GgufTensor]:
    return read_gguf(LocalFile(path)).tensors


@pytest.mark.parametrize("kind", ["F32", "F16", "BF16", "Q4_0", "Q4_1", "Q5_0", "Q5_1", "Q8_0"])
def test_gguf_values_are_those_of_its_own_package(tmp_path: Path, kind: str) -> None:
    value = RNG.normal(size=(8, 64)).astype(np.float32)
    (tensor,) = _tensors(write_gguf(tmp_path / "m.gguf", {"blk.0.ffn_up.weight": value}, kind))
    wanted = gguf.GGMLQuantizationType[kind]
    expected = value if kind == "F32" else gguf.quants.dequantize(gguf.quants.quantize(value, wanted), wanted)
    np.testing.assert_array_equal(tensor.read(np.array([5, 0, 7])), expected[[5, 0, 7]])
    assert (tensor.rows, tensor.columns, tensor.dtype) == (8, 64, kind)


@pytest.mark.parametrize("kind", ["Q2_K", "Q3_K", "Q4_K", "Q5_K", "Q6_K", "IQ4_XS"])
def test_gguf_types_that_only_llama_cpp_writes(tmp_path: Path, kind: str) -> None:
    wanted = gguf.GGMLQuantizationType[kind]
    block, size = gguf.GGML_QUANT_SIZES[wanted]
    raw = RNG.integers(0, 60, (4, 256 // block * size), dtype=np.uint8)
    writer = gguf.GGUFWriter(tmp_path / "m.gguf", "llama")
    writer.add_tensor("blk.0.ffn_up.weight", raw, raw_dtype=wanted)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    (tensor,) = _tensors(tmp_path / "m.gguf")
    assert (tensor.rows, tensor.columns) == (4, 256)
    np.testing.assert_array_equal(tensor.read(np.array([3])), gguf.quants.dequantize(raw[3:], wanted))


def test_query_and_key_rows_come_back_in_the_order_of_transformers(tmp_path: Path) -> None:
    """llama.cpp's converter stores them in pairs of a rotation: (heads, 2, half) → (heads, half, 2)."""
    value = RNG.normal(size=(HIDDEN, HIDDEN)).astype(np.float32)
    turned = value.reshape(HEADS, 2, -1, HIDDEN).swapaxes(1, 2).reshape(value.shape)
    tensors = {"blk.0.attn_q.weight": turned, "blk.0.attn_v.weight": value}
    query, other = _tensors(write_gguf(tmp_path / "m.gguf", tensors, "F32"))
    np.testing.assert_array_equal(query.read(np.arange(HIDDEN)), value)
    np.testing.assert_array_equal(other.read(np.arange(HIDDEN)), value)
    plain, _ = _tensors(write_gguf(tmp_path / "b.gguf", tensors, "F32", "bert"))
    np.testing.assert_array_equal(plain.read(np.arange(HIDDEN)), turned)


@pytest.mark.parametrize("architecture", ["granite", "olmo", "mistral3", "qwen2"])
def test_rows_and_biases_of_other_architectures(tmp_path: Path, architecture: str) -> None:
    value = RNG.normal(size=(HIDDEN, HIDDEN)).astype(np.float32)
    bias = RNG.normal(size=HIDDEN).astype(np.float32)
    permuted = architecture != "qwen2"
    turned = [
        each.reshape(HEADS, 2, -1, *each.shape[1:]).swapaxes(1, 2).reshape(each.shape) if permuted else each
        for each in (value, bias)
    ]
    stored = {"blk.0.attn_k.weight": turned[0], "blk.0.attn_k.bias": turned[1]}
    key, offset = _tensors(write_gguf(tmp_path / "m.gguf", stored, "F32", architecture))
    np.testing.assert_array_equal(key.read(np.array([3, 0, 17])), value[[3, 0, 17]])
    np.testing.assert_array_equal(offset.read(np.array([0]))[0], bias)


def test_fused_matrices_are_together_by_head(tmp_path: Path) -> None:
    """GPT-NeoX and BLOOM keep query, key and value of a head together; the converter stores all queries first."""
    value = RNG.normal(size=(3 * HIDDEN, HIDDEN)).astype(np.float32)
    apart = value.reshape(HEADS, 3, -1, HIDDEN).swapaxes(0, 1).reshape(value.shape)
    (fused,) = _tensors(write_gguf(tmp_path / "m.gguf", {"blk.0.attn_qkv.weight": apart}, "F32", "gptneox"))
    np.testing.assert_array_equal(fused.read(np.arange(3 * HIDDEN)), value)


def test_norms_of_gemma_are_stored_plus_one(tmp_path: Path) -> None:
    norm = RNG.normal(size=HIDDEN).astype(np.float32)
    stored = {"blk.0.attn_norm.weight": norm + 1, "output_norm.weight": norm + 1}
    for tensor in _tensors(write_gguf(tmp_path / "m.gguf", stored, "F32", "gemma3")):
        np.testing.assert_allclose(tensor.read(np.array([0]))[0], norm, atol=1e-6)


def test_heads_can_differ_between_blocks(tmp_path: Path) -> None:
    writer = gguf.GGUFWriter(tmp_path / "m.gguf", "deci")
    writer.add_head_count([2, 4])
    writer.add_head_count_kv([2, 4])
    value = RNG.normal(size=(32, 32)).astype(np.float32)
    for layer, heads in enumerate((2, 4)):
        writer.add_tensor(f"blk.{layer}.attn_q.weight", value.reshape(heads, 2, -1, 32).swapaxes(1, 2).reshape(32, 32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    for tensor in _tensors(tmp_path / "m.gguf"):
        np.testing.assert_array_equal(tensor.read(np.arange(32)), value)


def test_a_type_that_is_not_known_costs_its_tensor(tmp_path: Path) -> None:
    stored = {
        "blk.0.ffn_up.weight": np.ones((8, 64), np.float32),
        "blk.0.ffn_down.weight": np.ones((8, 64), np.float32),
    }
    path = write_gguf(tmp_path / "m.gguf", stored, "F32")
    data = bytearray(path.read_bytes())
    at = data.index(b"blk.0.ffn_down.weight") + len("blk.0.ffn_down.weight") + 4 + 2 * 8
    data[at : at + 4] = (99).to_bytes(4, "little")
    path.write_bytes(data)
    tensors, _, unread = read_gguf(LocalFile(path))
    assert [tensor.name for tensor in tensors] == ["blk.0.ffn_up.weight"]
    assert dict(unread) == {99: ["blk.0.ffn_down.weight"]}


@pytest.mark.parametrize("cut", [0, 3, 20, 200, -100])
def test_a_damaged_gguf_file_is_named(tmp_path: Path, cut: int) -> None:
    path = write_gguf(tmp_path / "m.gguf", {"blk.0.ffn_up.weight": RNG.normal(size=(64, 64)).astype(np.float32)}, "F32")
    path.write_bytes(path.read_bytes()[:cut])
    with pytest.raises(WeightsError, match="GGUF"):
        _tensors(path)


def write_vocabulary(path: Path, order: gguf.GGUFEndian) -> int:
    """Write a file with a vocabulary and one tensor; return where the tensor begins, by llama.cpp's own reader."""
    writer = gguf.GGUFWriter(path, "llama", endianess=order)
    writer.add_token_list([f"token{number}" * (number % 3) for number in range(3000)])
    writer.add_token_scores([0.5] * 3000)
    writer.add_token_types([1] * 3000)
    writer.add_token_merges([f"a {number}" for number in range(2000)])
    writer.add_head_count(HEADS)
    writer.add_tensor("blk.0.attn_q.weight", np.arange(512, dtype=np.float32).reshape(16, 32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return int(gguf.GGUFReader(path).tensors[0].data_offset)


def test_the_other_byte_order_is_named(tmp_path: Path) -> None:
    write_vocabulary(tmp_path / "m.gguf", gguf.GGUFEndian.BIG)
    with pytest.raises(WeightsError, match="byte order of big-endian") as caught:
        read_gguf(LocalFile(tmp_path / "m.gguf"))
    assert "gguf-convert-endian" in str(caught.value.hint)
    assert read_gguf_metadata(LocalFile(tmp_path / "m.gguf")) == {"general.architecture": "llama"}


def test_a_long_vocabulary_is_passed_over(tmp_path: Path) -> None:
    start = write_vocabulary(tmp_path / "m.gguf", gguf.GGUFEndian.LITTLE)
    (tensor,), heads, unread = read_gguf(LocalFile(tmp_path / "m.gguf"))
    assert not unread
    assert (tensor.start, tensor.rows, tensor.columns) == (start, 16, 32)
    assert (heads.architecture, heads.heads) == ("llama", (HEADS,))


@pytest.mark.parametrize("cut", [b"token7", b"token2999", b"a 1999"])
def test_a_vocabulary_that_is_cut_off_is_named(tmp_path: Path, cut: bytes) -> None:
    write_vocabulary(tmp_path / "m.gguf", gguf.GGUFEndian.LITTLE)
    data = (tmp_path / "m.gguf").read_bytes()
    (tmp_path / "m.gguf").write_bytes(data[: data.index(cut) + 2])
    with pytest.raises(WeightsError, match="is no GGUF header"):
        read_gguf(LocalFile(tmp_path / "m.gguf"))


@pytest.mark.parametrize("key", ["tokens", "scores"])
def test_a_vocabulary_that_states_too_many_items_is_named(tmp_path: Path, key: str) -> None:
    write_vocabulary(tmp_path / "m.gguf", gguf.GGUFEndian.LITTLE)
    data = bytearray((tmp_path / "m.gguf").read_bytes())
    at = data.index(f"tokenizer.ggml.{key}".encode()) + len(f"tokenizer.ggml.{key}") + 8
    data[at : at + 8] = (2**62).to_bytes(8, "little")
    (tmp_path / "m.gguf").write_bytes(data)
    with pytest.raises(WeightsError, match="is no GGUF header"):
        read_gguf(LocalFile(tmp_path / "m.gguf"))


@pytest.mark.parametrize(("before", "after"), [((32, 16), (0, 2**50)), ((32, 16), (2**50, 0))])
def test_sides_of_0_take_no_memory(tmp_path: Path, before: tuple[int, int], after: tuple[int, int]) -> None:
    """Of no columns there are as many rows as one likes, which no length of the file bounds."""
    write_vocabulary(tmp_path / "m.gguf", gguf.GGUFEndian.LITTLE)
    data = (tmp_path / "m.gguf").read_bytes()
    sides, lies = (b"".join(side.to_bytes(8, "little") for side in pair) for pair in (before, after))
    assert data.count(sides) == 1
    (tmp_path / "m.gguf").write_bytes(data.replace(sides, lies))
    with pytest.raises(WeightsError, match="has a side of 0"):
        read_gguf(LocalFile(tmp_path / "m.gguf"))


@pytest.mark.parametrize("place", [8, 16], ids=["tensors", "pairs"])
def test_a_count_that_lies_ends_where_the_file_was_read(tmp_path: Path, place: int) -> None:
    write_vocabulary(tmp_path / "m.gguf", gguf.GGUFEndian.LITTLE)
    data = bytearray((tmp_path / "m.gguf").read_bytes())
    data[place : place + 8] = (1000).to_bytes(8, "little")
    (tmp_path / "m.gguf").write_bytes(data)
    with pytest.raises(WeightsError, match="is no GGUF header"):
        read_gguf(LocalFile(tmp_path / "m.gguf"))


@pytest.mark.parametrize(
    ("name", "limit", "stated"),
    [
        ("MAX_PAIRS", 2, "more than 2 keys"), ("MAX_TENSORS", 0, "more than 0 tensors"),
        ("MAX_ITEMS", 5, "more than 5 items of arrays"), ("MAX_DEPTH", 2, "more than 2 arrays inside each other"),
        ("MAX_SIDES", 1, "more than 1 sides of a tensor"),
    ],
)  # fmt: skip
def test_a_header_is_bounded_before_it_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, limit: int, stated: str
) -> None:
    writer = gguf.GGUFWriter(tmp_path / "m.gguf", "llama")
    writer.add_head_count(HEADS)
    writer.add_array("llama.nested", [[1, 2], [3, 4]])
    writer.add_tensor("blk.0.attn_q.weight", np.ones((16, 32), np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    assert len(_tensors(tmp_path / "m.gguf")) == 1
    monkeypatch.setattr(f"ingest.formats.gguf_files.gguf.{name}", limit)
    with pytest.raises(WeightsError, match=f"has a header with {stated}"):
        _tensors(tmp_path / "m.gguf")


@pytest.mark.parametrize("length", [0, 5000])
def test_a_name_that_lies_about_its_length_is_not_read(tmp_path: Path, length: int) -> None:
    path = write_gguf(tmp_path / "m.gguf", {"blk.0.ffn_up.weight": np.ones((16, 32), np.float32)}, "F32")
    data, name = path.read_bytes(), b"blk.0.ffn_up.weight"
    path.write_bytes(data.replace(len(name).to_bytes(8, "little") + name, length.to_bytes(8, "little") + name))
    with pytest.raises(WeightsError, match="is no GGUF header|sides of a tensor"):
        _tensors(path)


@pytest.mark.parametrize("side", [2**63, 2**64 - 1])
def test_a_side_of_more_than_63_bits_is_refused(tmp_path: Path, side: int) -> None:
    write_vocabulary(tmp_path / "m.gguf", gguf.GGUFEndian.LITTLE)
    data = (tmp_path / "m.gguf").read_bytes()
    sides = b"".join(each.to_bytes(8, "little") for each in (32, 16))
    (tmp_path / "m.gguf").write_bytes(data.replace(sides, sides[:8] + side.to_bytes(8, "little")))
    with pytest.raises(WeightsError, match="'blk.0.attn_q.weight' has impossible sides"):
        _tensors(tmp_path / "m.gguf")


def test_a_name_that_occurs_twice_is_refused_by_name(tmp_path: Path) -> None:
    tensors = {name: np.ones((16, 32), np.float32) for name in ("blk.0.attn_q.weight", "blk.0.attn_k.weight")}
    path = write_gguf(tmp_path / "m.gguf", tensors, "F32")
    path.write_bytes(path.read_bytes().replace(b"attn_k", b"attn_q"))
    with pytest.raises(WeightsError, match="states 'blk.0.attn_q.weight' twice"):
        _tensors(path)


def test_a_key_that_occurs_twice_is_refused_by_name(tmp_path: Path) -> None:
    path = write_gguf(tmp_path / "m.gguf", {"blk.0.attn_q.weight": np.ones((16, 32), np.float32)}, "F32")
    path.write_bytes(path.read_bytes().replace(b"head_count_kv", b"head_count\0\0\0"))
    _tensors(path)
    other = b"llama.attention.head_count"
    longer = (len(other)).to_bytes(8, "little") + other
    path.write_bytes(path.read_bytes().replace((len(other) + 3).to_bytes(8, "little") + other + b"\0\0\0", longer))
    with pytest.raises(WeightsError, match="Duplicate llama.attention.head_count"):
        _tensors(path)
