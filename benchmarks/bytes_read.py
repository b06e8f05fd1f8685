"""Bytes that a fingerprint reads of a model in several layouts: files of zeros with the sides of real models.

What a layout states of itself, such as shapes, is true; codes and scales are zeros, in files with holes.

Run: python -m benchmarks.bytes_read
"""

from __future__ import annotations

import json
import math
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import gguf
import numpy as np

from ingest.formats.open_model import open_model
from ingest.formats.safetensors import item_size
from ingest.weights.fingerprints.fingerprint import compute_fingerprint

Stated = tuple[str, tuple[int, ...]] | tuple[str, tuple[int, ...], bytes]
"""Type, shape, and contents where they are not zeros."""
Tensors = dict[str, Stated]
_LAYERS, _HIDDEN, _INNER, _KEYS, _WORDS = 16, 2048, 8192, 512, 128256
_LINEAR = {
    "self_attn.q_proj": (_HIDDEN, _HIDDEN), "self_attn.k_proj": (_KEYS, _HIDDEN), "self_attn.v_proj": (_KEYS, _HIDDEN),
    "self_attn.o_proj": (_HIDDEN, _HIDDEN), "mlp.gate_proj": (_INNER, _HIDDEN), "mlp.up_proj": (_INNER, _HIDDEN),
    "mlp.down_proj": (_HIDDEN, _INNER),
}  # fmt: skip
_OSS_LAYERS, _OSS_SIDE, _EXPERTS = 24, 2880, 32
_MX = {"elem_dtype": {"_data": "float4_e2m1fn_x2"}, "block_size": 32, "is_swizzled_scales": True}


def _bf16(base: str, rows: int, columns: int) -> Tensors:
    return {f"{base}.weight": ("BF16", (rows, columns))}


def _int8(base: str, rows: int, columns: int) -> Tensors:
    return {f"{base}.weight": ("I8", (rows, columns)), f"{base}.SCB": ("F32", (rows,))}


def _fp8(base: str, rows: int, columns: int) -> Tensors:
    return {f"{base}.weight": ("F8_E4M3", (rows, columns)), f"{base}.weight_scale": ("F32", (rows, 1))}


def _mlx(base: str, rows: int, columns: int) -> Tensors:
    groups = ("BF16", (rows, columns // 64))
    return {f"{base}.weight": ("U32", (rows, columns // 8)), f"{base}.scales": groups, f"{base}.biases": groups}


def _quanto(base: str, rows: int, columns: int) -> Tensors:
    groups, name = rows * columns // 128, f"{base}.weight"
    parts = {f"{name}.{part}": ("BF16", (groups, 1)) for part in ("_scale", "_shift")}
    return {f"{name}._data._data": ("U8", (groups // 2, 128)), **parts}


def _torchao(base: str, rows: int, columns: int) -> Tensors:
    scales = ("F8_E8M0", (math.ceil(rows / 128) * 32, columns // 128 * 16))
    return {f"{base}._weight_qdata": ("U8", (rows, columns // 2)), f"{base}._weight_scale": scales}


def _gptq(base: str, rows: int, columns: int) -> Tensors:
    groups = columns // 128
    return {
        f"{base}.qweight": ("I32", (columns // 8, rows)), f"{base}.qzeros": ("I32", (groups, rows // 8)),
        f"{base}.scales": ("F16", (groups, rows)), f"{base}.g_idx": ("I32", (columns,)),
    }  # fmt: skip


def _awq(base: str, rows: int, columns: int) -> Tensors:
    groups = columns // 128
    return {
        f"{base}.qweight": ("I32", (columns, rows // 8)), f"{base}.qzeros": ("I32", (groups, rows // 8)),
        f"{base}.scales": ("F16", (groups, rows)),
    }  # fmt: skip


def _nf4(base: str, rows: int, columns: int) -> Tensors:
    name = f"{base}.weight"
    state = {"quant_type": "nf4", "blocksize": 64, "shape": [rows, columns], "dtype": "bfloat16"}
    stated = json.dumps(state).encode()
    return {
        name: ("U8", (rows * columns // 2, 1)), f"{name}.absmax": ("F32", (rows * columns // 64,)),
        f"{name}.quant_map": ("F32", (16,)),
        f"{name}.quant_state.bitsandbytes__nf4": ("U8", (len(stated),), stated),
    }  # fmt: skip


def _packed(base: str, rows: int, columns: int) -> Tensors:
    return {
        f"{base}.weight_packed": ("I32", (rows, columns // 8)),
        f"{base}.weight_scale": ("BF16", (rows, columns // 128)),
        f"{base}.weight_shape": ("I64", (2,), np.array([rows, columns], "<i8").tobytes()),
    }  # fmt: skip


def _hqq(base: str, rows: int, columns: int) -> Tensors:
    groups = rows * columns // 64
    numbers = {"shape": [rows, columns], "axis": [1], "nbits": [4], "group_size": [64]}
    return {
        f"{base}.W_q": ("U8", (groups // 2, 64)), f"{base}.packing": ("U8", (7,), b"4bit_u8"),
        **{f"{base}.{part}": ("BF16", (groups, 1)) for part in ("scale", "zero")},
        **{f"{base}.{key}": ("I64", (len(each),), np.array(each, "<i8").tobytes()) for key, each in numbers.items()},
    }  # fmt: skip


def _exl2(base: str, rows: int, columns: int) -> Tensors:
    groups = columns // 128
    plan = np.array([[4, at * 16] for at in range(groups)], "<i2").tobytes()
    return {
        f"{base}.q_weight": ("I32", (columns // 8, rows)), f"{base}.q_scale": ("I32", (groups, rows // 8)),
        f"{base}.q_scale_max": ("F16", (groups,)), f"{base}.q_groups": ("I16", (2 * groups,), plan),
        f"{base}.q_invperm": ("I32", (columns,)),
    }  # fmt: skip


LLAMA: dict[str, Callable[[str, int, int], Tensors]] = {
    "BF16": _bf16, "INT8": _int8, "FP8": _fp8, "MLX of 4 bits": _mlx, "qint4 of quanto": _quanto,
    "MXFP4 of torchao": _torchao, "GPTQ of 4 bits": _gptq, "AWQ": _awq, "NF4 of bitsandbytes": _nf4,
    "compressed-tensors, packed": _packed, "HQQ of 4 bits": _hqq, "EXL2 of 4 bits": _exl2,
}  # fmt: skip


def llama(layout: Callable[[str, int, int], Tensors]) -> Tensors:
    """Return the tensors of a Llama of 1B parameters."""
    found: Tensors = {
        "model.embed_tokens.weight": ("BF16", (_WORDS, _HIDDEN)),
        "model.norm.weight": ("BF16", (_HIDDEN,)),
    }
    for layer in range(_LAYERS):
        found[f"model.layers.{layer}.input_layernorm.weight"] = ("BF16", (_HIDDEN,))
        for module, sides in _LINEAR.items():
            found |= layout(f"model.layers.{layer}.{module}", *sides)
    return found


def gpt_oss(*, packed: bool) -> Tensors:
    """Return the tensors of the blocks of gpt-oss-20b, with experts in MXFP4 or BF16."""
    found: Tensors = {}
    side, experts = _OSS_SIDE, _EXPERTS
    for layer in range(_OSS_LAYERS):
        base = f"model.layers.{layer}."
        for name, sides in (("q", (4096, side)), ("k", (512, side)), ("v", (512, side)), ("o", (side, 4096))):
            found[f"{base}self_attn.{name}_proj.weight"] = ("BF16", sides)
        for name, outputs in (("gate_up_proj", 2 * side), ("down_proj", side)):
            at = f"{base}mlp.experts.{name}"
            found[f"{at}_bias"] = ("BF16", (experts, outputs))
            if packed:
                found[f"{at}_blocks"] = ("U8", (experts, outputs, side // 32, 16))
                found[f"{at}_scales"] = ("U8", (experts, outputs, side // 32))
            else:
                found[at] = ("BF16", (experts, side, outputs))
    return found


def write_safetensors(folder: Path, tensors: Tensors) -> None:
    """Write a model of zeros, but for what its tensors state."""
    names = [name for name in tensors if name.endswith("._weight_qdata")]
    stated = json.dumps({"_type": "MXTensor", "_data": _MX})
    header: dict[str, object] = {"__metadata__": {name.replace("._weight_qdata", ".weight"): stated for name in names}}
    stop, contents = 0, []
    for name, (dtype, shape, *content) in tensors.items():
        start, stop = stop, stop + math.prod(shape) * item_size(dtype)
        header[name] = {"dtype": dtype, "shape": list(shape), "data_offsets": [start, stop]}
        contents += [(start, each) for each in content]
    text = json.dumps(header).encode()
    with (folder / "model.safetensors").open("wb") as file:
        file.write(len(text).to_bytes(8, "little") + text)
        for start, content in contents:
            file.seek(8 + len(text) + start)
            file.write(content)
        file.truncate(8 + len(text) + stop)


def write_gguf(folder: Path) -> None:
    """Write a Llama of 1B parameters in Q4_K."""
    names = {"q_proj": "attn_q", "k_proj": "attn_k", "v_proj": "attn_v", "o_proj": "attn_output"}
    names |= {"gate_proj": "ffn_gate", "up_proj": "ffn_up", "down_proj": "ffn_down"}
    file, size = folder / "model.gguf", 0
    writer = gguf.GGUFWriter(file, "llama")
    writer.add_head_count(32)
    writer.add_head_count_kv(8)
    sides = {"token_embd.weight": (_WORDS, _HIDDEN)} | {
        f"blk.{layer}.{names[module.rpartition('.')[2]]}.weight": each
        for layer in range(_LAYERS)
        for module, each in _LINEAR.items()
    }
    for name, (rows, columns) in sides.items():
        width = columns // 256 * 144  # bytes of a row: 256 codes of Q4_K in 144
        kind = gguf.GGMLQuantizationType.Q4_K
        writer.add_tensor_info(name, (rows, width), np.dtype(np.uint8), rows * width, raw_dtype=kind)
        size += rows * width
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_ti_data_to_file()
    writer.close()
    with file.open("r+b") as opened:
        opened.truncate(-(-file.stat().st_size // 32) * 32 + size)


def _part(number: int, value: int | str | bytes) -> bytes:
    """Return a field of a message of protobuf: a whole number, or something with a length."""
    if isinstance(value, int):
        return _varint(number << 3) + _varint(value)
    body = value.encode() if isinstance(value, str) else value
    return _varint(number << 3 | 2) + _varint(len(body)) + body


def _varint(value: int) -> bytes:
    out = bytearray()
    while value >= 128:
        out.append(value & 127 | 128)
        value >>= 7
    return bytes([*out, value])


def write_onnx(folder: Path) -> None:
    """Write the layers of a Llama of 1B parameters as matrix products, with float weights in a file of their own."""
    graph, stop = b"", 0
    for layer in range(_LAYERS):
        for module, (rows, columns) in _LINEAR.items():
            name, length = f"model.layers.{layer}.{module}.weight", rows * columns * 4
            entries = (("location", "weights.bin"), ("offset", str(stop)), ("length", str(length)))
            tensor = b"".join((_part(1, columns), _part(1, rows), _part(2, 1), _part(8, name)))
            tensor += b"".join(_part(13, _part(1, key) + _part(2, value)) for key, value in entries) + _part(14, 1)
            node = b"".join((_part(1, "x"), _part(1, name), _part(2, f"{name}.y"), _part(3, name), _part(4, "MatMul")))
            graph += _part(1, node) + _part(5, tensor)
            stop += length
    (folder / "model.onnx").write_bytes(_part(1, 8) + _part(7, graph + _part(2, "zeros")))
    with (folder / "weights.bin").open("wb") as file:
        file.truncate(stop)


def measure(write: Callable[[Path], None], config: Mapping[str, object]) -> tuple[int, int, float]:
    """Return the bytes that a fingerprint reads of a model, its size, and the seconds that it takes."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write(folder)
        (folder / "config.json").write_text(json.dumps(config))
        began = time.monotonic()
        with open_model(folder) as model:
            compute_fingerprint(model, "zeros")
            return model.read_bytes, model.size, time.monotonic() - began


def _as_safetensors(tensors: Tensors) -> Callable[[Path], None]:
    return lambda folder: write_safetensors(folder, tensors)


def main() -> None:
    """Print a line a layout."""
    of_llama: dict[str, object] = {"hidden_size": _HIDDEN, "num_attention_heads": 32}
    of_llama["quantization"] = {"group_size": 64, "bits": 4}
    scheme = {"targets": ["Linear"], "weights": {"num_bits": 4, "group_size": 128}}
    packed = {"quant_method": "compressed-tensors", "format": "pack-quantized", "config_groups": {"group_0": scheme}}
    models = {
        f"Llama 1B, {name}": (
            _as_safetensors(llama(layout)),
            of_llama | ({"quantization_config": packed} if layout is _packed else {}),
        )
        for name, layout in LLAMA.items()
    }
    models |= {"Llama 1B, GGUF in Q4_K": (write_gguf, {}), "Llama 1B, ONNX": (write_onnx, of_llama)}
    of_oss = {"architectures": ["GptOssForCausalLM"], "model_type": "gpt_oss", "num_attention_heads": 64}
    models |= {
        f"gpt-oss-20b, {name}": (_as_safetensors(gpt_oss(packed=name == "MXFP4")), of_oss) for name in ("MXFP4", "BF16")
    }
    for name, (write, config) in models.items():
        read, size, seconds = measure(write, config)
        print(f"{name:<28}{read / 2**20:>8.1f} MiB of {size / 2**30:>5.1f} GiB, {seconds:>5.1f} s", flush=True)


if __name__ == "__main__":
    main()
