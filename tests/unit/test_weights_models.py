"""One view of weights, whatever files and number formats they lie in."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import gguf
import ml_dtypes
import numpy as np
import pytest
from safetensors.numpy import save_file

from atlas_db.errors import WeightsError
from ingest.weights.gguf import GgufTensor, read_gguf
from ingest.weights.model import Matrix, open_model, sides
from ingest.weights.names import canonical, from_gguf, without_layer
from ingest.weights.source import LocalFile
from tests.unit.families import HEADS, HIDDEN, root, write

RNG = np.random.default_rng(5)


def values(matrix: Matrix) -> np.ndarray:
    return matrix.read(np.arange(matrix.rows))


def write_gguf(path: Path, tensors: dict[str, np.ndarray], kind: str, architecture: str = "llama") -> Path:
    writer = gguf.GGUFWriter(path, architecture)
    writer.add_head_count(HEADS)
    writer.add_head_count_kv(HEADS)
    wanted = gguf.GGMLQuantizationType[kind]
    for name, value in tensors.items():
        if value.ndim == 2 and kind != "F32":
            writer.add_tensor(name, gguf.quants.quantize(value, wanted), raw_dtype=wanted)
        else:
            writer.add_tensor(name, value)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def _tensors(path: Path) -> list[GgufTensor]:
    return read_gguf(LocalFile(path))


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


@pytest.mark.parametrize("cut", [0, 3, 20, 200, -100])
def test_a_damaged_gguf_file_is_named(tmp_path: Path, cut: int) -> None:
    path = write_gguf(tmp_path / "m.gguf", {"blk.0.ffn_up.weight": RNG.normal(size=(64, 64)).astype(np.float32)}, "F32")
    path.write_bytes(path.read_bytes()[:cut])
    with pytest.raises(WeightsError, match="GGUF"):
        _tensors(path)


def test_gguf_and_safetensors_of_one_model_have_the_same_names(tmp_path: Path) -> None:
    assert from_gguf("blk.3.attn_output.weight") == canonical("model.layers.3.self_attn.o_proj.weight")
    assert from_gguf("token_embd.weight") == canonical("model.embed_tokens.weight")
    assert from_gguf("output.weight") == canonical("lm_head.weight")
    assert without_layer("layers.12.mlp.up_proj.weight") == "layers.*.mlp.up_proj.weight"
    assert canonical("base_model.model.model.layers.0.x") == "layers.0.x"


def int8(value: np.ndarray) -> dict[str, np.ndarray]:
    scale = np.abs(value).max(1, keepdims=True) / 127
    return {"m.weight": np.rint(value / scale).astype(np.int8), "m.weight_scale": scale.astype(np.float32)}


def test_int8_with_a_scale_a_row(tmp_path: Path) -> None:
    value = RNG.normal(size=(16, 64)).astype(np.float32)
    parts = int8(value)
    tmp_path.joinpath("m").mkdir()
    save_file(parts, tmp_path / "m" / "model.safetensors")
    with open_model(tmp_path / "m") as model:
        (matrix,) = model.matrices.values()
        np.testing.assert_allclose(values(matrix), parts["m.weight"] * parts["m.weight_scale"], rtol=1e-6)
        assert matrix.dtype == model.dtype == "I8"


@pytest.mark.parametrize("zero", [0, 8])
def test_int4_two_a_byte_of_either_convention(tmp_path: Path, zero: int) -> None:
    codes = np.clip(np.rint(RNG.normal(size=(16, 64)) * 2.5), -7, 7).astype(np.int16)
    raw = ((codes + zero) & 15).astype(np.uint8)
    scale = RNG.uniform(0.01, 0.02, (16, 2)).astype(np.float16)
    tmp_path.joinpath("m").mkdir()
    parts = {"m.weight_packed": raw[:, 0::2] | (raw[:, 1::2] << 4), "m.weight_scale": scale}
    save_file(parts, tmp_path / "m" / "model.safetensors")
    with open_model(tmp_path / "m") as model:
        (matrix,) = model.matrices.values()
        expected = codes.reshape(16, 2, 32) * scale.astype(np.float32)[:, :, None]
        np.testing.assert_allclose(values(matrix), expected.reshape(16, 64), rtol=1e-6)
        assert (matrix.name, matrix.columns, matrix.dtype) == ("m.weight", 64, "U4")


def test_int4_eight_a_word(tmp_path: Path) -> None:
    codes = RNG.integers(-8, 8, (4, 64))
    words = sum(((codes[:, place::8] + 8).astype(np.uint32) << (4 * place)) for place in range(8))
    tmp_path.joinpath("m").mkdir()
    parts = {"m.weight_packed": words.astype(np.int32), "m.weight_scale": np.full((4, 1), 0.5, np.float32)}
    save_file(parts, tmp_path / "m" / "model.safetensors")
    with open_model(tmp_path / "m") as model:
        np.testing.assert_array_equal(values(model.matrices["m.weight"]), codes * 0.5)


def test_float8_with_a_scale_a_block(tmp_path: Path) -> None:
    value = RNG.normal(size=(4, 64)).astype(ml_dtypes.float8_e4m3fn)
    header: dict[str, Any] = {
        "m.weight": {"dtype": "F8_E4M3", "shape": [4, 64], "data_offsets": [0, 256]},
        "m.weight_scale_inv": {"dtype": "F32", "shape": [2, 2], "data_offsets": [256, 272]},
    }
    text = json.dumps(header).encode()
    scale = np.array([[1, 2], [3, 4]], np.float32)
    tmp_path.joinpath("m").mkdir()
    data = len(text).to_bytes(8, "little") + text + value.tobytes() + scale.tobytes()
    (tmp_path / "m" / "model.safetensors").write_bytes(data)
    with open_model(tmp_path / "m") as model:
        expected = value.astype(np.float32) * scale.repeat(2, 0).repeat(32, 1)
        np.testing.assert_array_equal(values(model.matrices["m.weight"]), expected)


def test_integers_packed_in_an_unknown_way_are_left_out_and_named(tmp_path: Path) -> None:
    tmp_path.joinpath("m").mkdir()
    parts = {"a.qweight": np.ones((8, 64), np.int32), "b.weight": np.ones((8, 64), np.float32), "e": np.ones((0, 4))}
    save_file(parts, tmp_path / "m" / "model.safetensors")
    with open_model(tmp_path / "m") as model:
        assert set(model.matrices) == {"b.weight"}
        assert any("a.qweight" in text for text in model.problems)
        assert any("empty tensor" in text for text in model.problems)


def test_shards_and_one_file_hold_the_same_matrices(tmp_path: Path) -> None:
    weights = root(1)
    write(tmp_path / "one", weights)
    write(tmp_path / "three", weights, shards=3)
    with open_model(tmp_path / "one") as one, open_model(tmp_path / "three") as three:
        assert one.matrices.keys() == three.matrices.keys()
        for name, matrix in one.matrices.items():
            np.testing.assert_array_equal(values(matrix), values(three.matrices[name]))
        assert one.heads == HEADS


def test_a_folder_without_readable_weights_is_named(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match="no weights"):
        open_model(tmp_path)
    (tmp_path / "pytorch_model.bin").write_bytes(b"never opened")
    with pytest.raises(WeightsError, match="only pickles"):
        open_model(tmp_path)


@pytest.mark.parametrize(
    ("shape", "expected"),
    [((5, 7), (5, 7)), ((9,), (1, 9)), ((8, 4, 3, 3), (8, 36)), ((6, 100, 64), (600, 64)), ((), (1, 1))],
)
def test_sides(shape: tuple[int, ...], expected: tuple[int, int]) -> None:
    assert sides(shape) == expected
