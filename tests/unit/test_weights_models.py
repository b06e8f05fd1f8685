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

from atlas_db.core.errors import WeightsError
from ingest.weights.chart import chart
from ingest.weights.formats.byte_source import LocalFile
from ingest.weights.formats.gguf import GgufTensor, read_gguf
from ingest.weights.formats.open_model import Matrix, open_model, sides
from ingest.weights.formats.tensor_names import canonical, from_gguf, without_layer
from ingest.weights.samples.resample import Rereader
from tests.support.families import HEADS, HIDDEN, print_of, root, trained, write

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


def packed(value: np.ndarray, kind: str, group: int, order: np.ndarray | None = None) -> dict[str, np.ndarray]:
    """Round a matrix [out, in] to 4 bits and pack it, field by field, as AutoGPTQ and AutoAWQ do."""
    inputs = value.shape[1]
    g_idx = np.arange(inputs) // group if order is None else (np.argsort(order) // group)
    groups = inputs // group
    turned = value.T
    low = np.stack([turned[g_idx == g].min(0) for g in range(groups)])
    high = np.stack([turned[g_idx == g].max(0) for g in range(groups)])
    scale = ((high - low) / 15).astype(np.float16)
    zero = np.clip(np.rint(-low / scale.astype(np.float32)), 1, 15).astype(np.int64)
    codes = np.clip(np.rint(turned / scale[g_idx].astype(np.float32)) + zero[g_idx], 0, 15).astype(np.int64)
    columns = (0, 2, 4, 6, 1, 3, 5, 7) if kind == "awq" else range(8)
    stored_zero = zero - (kind == "gptq")
    parts = {
        "m.qzeros": sum((stored_zero[:, out::8] & 15) << (4 * at) for at, out in enumerate(columns)),
        "m.qweight": sum(codes[:, out::8] << (4 * at) for at, out in enumerate(columns))
        if kind == "awq"
        else sum(codes[at::8] << (4 * at) for at in range(8)),
        "m.scales": scale,
    }
    if kind != "awq":
        parts["m.g_idx"] = g_idx
    typed = {
        name: part
        if name == "m.scales"
        else part.astype(np.uint32).view(np.int32)
        if name != "m.g_idx"
        else part.astype(np.int32)
        for name, part in parts.items()
    }
    typed["expected"] = ((codes - zero[g_idx]) * scale[g_idx].astype(np.float32)).T.astype(np.float32)
    return typed


@pytest.mark.parametrize("whole", [2**22, 0], ids=["read whole", "word by word"])
@pytest.mark.parametrize("kind", ["gptq", "gptq_v2", "awq"])
def test_integers_packed_across_rows(tmp_path: Path, kind: str, whole: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ingest.weights.formats.gptq_awq.WHOLE", whole)
    value = RNG.normal(size=(48, 128)).astype(np.float32)
    order = RNG.permutation(128) if kind == "gptq_v2" else None
    parts = packed(value, kind, 32, order)
    expected = parts.pop("expected")
    (tmp_path / "m").mkdir()
    save_file({name: np.ascontiguousarray(part) for name, part in parts.items()}, tmp_path / "m" / "model.safetensors")
    with open_model(tmp_path / "m") as model:
        assert list(model.matrices) == ["m.weight"]
        matrix = model.matrices["m.weight"]
        assert (matrix.rows, matrix.columns, matrix.dtype) == (48, 128, "AWQ4" if kind == "awq" else "GPTQ4")
        np.testing.assert_allclose(values(matrix), expected, atol=1e-6)
        np.testing.assert_allclose(matrix.read(np.array([40, 3, 9])), expected[[40, 3, 9]], atol=1e-6)
        assert not model.problems


def test_packed_parts_that_do_not_fit_are_named(tmp_path: Path) -> None:
    parts = packed(RNG.normal(size=(48, 128)).astype(np.float32), "gptq", 32)
    parts.pop("expected")
    for number, change in enumerate(({"m.qzeros": parts["m.qzeros"][:, :-1]}, {"m.scales": parts["m.scales"][:1]})):
        (tmp_path / str(number)).mkdir()
        broken = {**parts, **change, "n.weight": np.ones((4, 64), np.float32)}
        save_file(
            {name: np.ascontiguousarray(part) for name, part in broken.items()},
            tmp_path / str(number) / "model.safetensors",
        )
        with open_model(tmp_path / str(number)) as model:
            assert list(model.matrices) == ["n.weight"]
            assert any("m.qweight" in problem for problem in model.problems)
    (tmp_path / "g").mkdir()
    save_file(
        {**{n: np.ascontiguousarray(p) for n, p in parts.items()}, "m.g_idx": np.full(128, 9, np.int32)},
        tmp_path / "g" / "model.safetensors",
    )
    with open_model(tmp_path / "g") as model, pytest.raises(WeightsError, match="have no scale"):
        values(model.matrices["m.weight"])


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


@pytest.mark.parametrize("kind", ["gptq", "awq"])
def test_a_model_packed_across_rows_finds_its_original(tmp_path: Path, kind: str) -> None:
    base = root(1)
    tuned = trained(base, 2)
    for name, weights in (("base", base), ("tuned", tuned), ("other", trained(base, 3)), ("stranger", root(7))):
        write(tmp_path / name, weights)
    parts: dict[str, np.ndarray] = {}
    for name, value in tuned.items():
        if "_proj" not in name:
            parts[name] = value.astype(np.float16)
            continue
        for part, stored in packed(value, kind, 32).items():
            if part != "expected":
                parts[name.removesuffix("weight") + part.removeprefix("m.")] = np.ascontiguousarray(stored)
    (tmp_path / "packed").mkdir()
    save_file(parts, tmp_path / "packed" / "model.safetensors")
    prints = [print_of(path) for path in sorted(tmp_path.iterdir())]
    edges = {(edge.child, edge.parent): edge.relation.value for edge in chart(prints, Rereader(), time=False)}
    assert edges["packed", "tuned"] == "quantized"
    assert {frozenset(pair) for pair in edges} == {
        frozenset(pair) for pair in (("packed", "tuned"), ("tuned", "base"), ("other", "base"))
    }
