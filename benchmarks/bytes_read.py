"""Bytes that a fingerprint reads of a model in several layouts: files of zeros with the sides of real models.

Run: python -m benchmarks.bytes_read
"""

from __future__ import annotations

import json
import math
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from ingest.formats.open_model import open_model
from ingest.formats.safetensors import item_size
from ingest.weights.fingerprints.fingerprint import compute_fingerprint

Tensors = dict[str, tuple[str, tuple[int, ...]]]
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


LLAMA: dict[str, Callable[[str, int, int], Tensors]] = {
    "BF16": _bf16, "INT8": _int8, "FP8": _fp8, "MLX of 4 bits": _mlx, "qint4 of quanto": _quanto,
    "MXFP4 of torchao": _torchao, "GPTQ of 4 bits": _gptq, "AWQ": _awq,
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


def measure(tensors: Tensors, config: Mapping[str, object]) -> tuple[int, int, float]:
    """Return the bytes that a fingerprint reads of a model of zeros, its size, and the seconds that it takes."""
    names = [name for name in tensors if name.endswith("._weight_qdata")]
    stated = json.dumps({"_type": "MXTensor", "_data": _MX})
    header: dict[str, object] = {"__metadata__": {name.replace("._weight_qdata", ".weight"): stated for name in names}}
    stop = 0
    for name, (dtype, shape) in tensors.items():
        start, stop = stop, stop + math.prod(shape) * item_size(dtype)
        header[name] = {"dtype": dtype, "shape": list(shape), "data_offsets": [start, stop]}
    text = json.dumps(header).encode()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with (folder / "model.safetensors").open("wb") as file:
            file.write(len(text).to_bytes(8, "little") + text)
            file.truncate(8 + len(text) + stop)
        (folder / "config.json").write_text(json.dumps(config))
        began = time.monotonic()
        with open_model(folder) as model:
            compute_fingerprint(model, "zeros")
            return model.read_bytes, model.size, time.monotonic() - began


def main() -> None:
    """Print a line a layout."""
    of_llama = {"hidden_size": _HIDDEN, "num_attention_heads": 32, "quantization": {"group_size": 64, "bits": 4}}
    models = {f"Llama 1B, {name}": (llama(layout), of_llama) for name, layout in LLAMA.items()}
    of_oss = {"architectures": ["GptOssForCausalLM"], "model_type": "gpt_oss", "num_attention_heads": 64}
    models |= {f"gpt-oss-20b, {name}": (gpt_oss(packed=name == "MXFP4"), of_oss) for name in ("MXFP4", "BF16")}
    for name, (tensors, config) in models.items():
        read, size, seconds = measure(tensors, config)
        print(f"{name:<28}{read / 2**20:>8.1f} MiB of {size / 2**30:>5.1f} GiB, {seconds:>5.1f} s", flush=True)


if __name__ == "__main__":
    main()
