"""Weights as folders in the Hub's layout: safetensors, shards, adapters, packed integers, GGUF, and damaged files."""

from __future__ import annotations

import json
from pathlib import Path

import gguf
import numpy as np
import torch
from safetensors.torch import save_file
from torch import Tensor

from benchmarks.zoo import operations
from benchmarks.zoo.nets import Shape, Weights

DTYPES = {"F32": torch.float32, "BF16": torch.bfloat16, "F16": torch.float16}
_GGUF_NAMES = {
    "self_attn.q_proj": "attn_q", "self_attn.k_proj": "attn_k", "self_attn.v_proj": "attn_v",
    "self_attn.o_proj": "attn_output", "mlp.gate_proj": "ffn_gate", "mlp.up_proj": "ffn_up",
    "mlp.down_proj": "ffn_down", "input_layernorm": "attn_norm", "post_attention_layernorm": "ffn_norm",
}  # fmt: skip


def as_stored(weights: Weights, dtype: str) -> Weights:
    """Return weights as they come back from a file of that type."""
    return {key: value.to(DTYPES[dtype]).float() for key, value in weights.items()}


def write_model(folder: Path, weights: Weights, shape: Shape, dtype: str, shards: int = 1) -> None:
    """Write a model of one or several files."""
    _start(folder, shape.config(dtype))
    typed = {key: value.to(DTYPES[dtype]).contiguous() for key, value in weights.items()}
    if shards == 1:
        save_file(typed, folder / "model.safetensors", {"format": "pt"})
        return
    weight_map: dict[str, str] = {}
    keys = sorted(typed)
    for number in range(shards):
        name = f"model-{number + 1:05d}-of-{shards:05d}.safetensors"
        part = {key: typed[key] for key in keys[number::shards]}
        save_file(part, folder / name, {"format": "pt"})
        weight_map |= dict.fromkeys(part, name)
    size = sum(value.numel() * value.element_size() for value in typed.values())
    index = {"metadata": {"total_size": size}, "weight_map": weight_map}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))


def write_integers(folder: Path, weights: Weights, shape: Shape, bits: int) -> None:
    """Write matrices as int8, or packed int4, with their scales; the rest as bfloat16."""
    group = operations.GROUP if bits == 4 else 0
    method = {"quant_method": "rtn", "bits": bits, "group_size": group or -1, "symmetric": True}
    _start(folder, {**shape.config("BF16"), "quantization_config": method})
    typed: dict[str, Tensor] = {}
    for key, value in weights.items():
        if not operations.is_matrix(key):
            typed[key] = value.bfloat16()
            continue
        codes, scale = operations.quantize(value, bits, group)
        typed[key + ("_packed" if bits == 4 else "")] = operations.pack(codes) if bits == 4 else codes
        typed[key + "_scale"] = scale.half() if bits == 4 else scale
    save_file({key: value.contiguous() for key, value in typed.items()}, folder / "model.safetensors", {"format": "pt"})


def write_gguf(folder: Path, weights: Weights, shape: Shape, kind: str) -> None:
    """Write a GGUF file of one quantization type, rows of query and key reordered as llama.cpp stores them."""
    folder.mkdir(parents=True)
    writer = gguf.GGUFWriter(folder / f"{folder.name}.{kind}.gguf", "llama")
    writer.add_block_count(shape.layers)
    writer.add_embedding_length(shape.hidden)
    writer.add_feed_forward_length(shape.inner)
    writer.add_head_count(shape.heads)
    writer.add_head_count_kv(shape.kv_heads or shape.heads)
    wanted = gguf.GGMLQuantizationType[kind]
    for key, value in weights.items():
        values = value.numpy().astype(np.float32)
        if ".q_proj." in key or ".k_proj." in key:
            heads = (".k_proj." in key and shape.kv_heads) or shape.heads
            values = values.reshape(heads, 2, -1, shape.hidden).swapaxes(1, 2).reshape(values.shape)
        if values.ndim == 2:
            writer.add_tensor(gguf_name(key), gguf.quants.quantize(values, wanted), raw_dtype=wanted)
        else:
            writer.add_tensor(gguf_name(key), values)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def gguf_name(key: str) -> str:
    """Return llama.cpp's name of a tensor."""
    outer = {"model.embed_tokens.weight": "token_embd.weight", "model.norm.weight": "output_norm.weight",
             "lm_head.weight": "output.weight"}  # fmt: skip
    if key in outer:
        return outer[key]
    _, _, layer, inner = key.removesuffix(".weight").split(".", 3)
    return f"blk.{layer}.{_GGUF_NAMES[inner]}.weight"


def write_adapter(
    folder: Path,
    factors: dict[str, tuple[Tensor, Tensor]],
    rank: int,
    alpha: float,
    targets: tuple[str, ...],
    base: str,
) -> None:
    """Write a PEFT adapter."""
    folder.mkdir(parents=True)
    typed = {}
    for key, (first, second) in factors.items():
        module = "base_model.model." + key.removesuffix(".weight")
        typed[module + ".lora_A.weight"], typed[module + ".lora_B.weight"] = first.contiguous(), second.contiguous()
    save_file(typed, folder / "adapter_model.safetensors", {"format": "pt"})
    config = {"peft_type": "LORA", "r": rank, "lora_alpha": alpha, "target_modules": list(targets),
              "base_model_name_or_path": base, "task_type": "CAUSAL_LM", "rank_pattern": {}, "alpha_pattern": {},
              "use_rslora": False, "use_dora": False, "bias": "none"}  # fmt: skip
    (folder / "adapter_config.json").write_text(json.dumps(config))


def damage(folder: Path, kind: str) -> None:
    """Break a model's file in one of the ways that files are broken."""
    file = folder / "model.safetensors"
    if kind == "pickle":
        file.rename(folder / "pytorch_model.bin")
    elif kind == "truncated":
        file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])
    else:
        file.write_bytes((2**62).to_bytes(8, "little") + file.read_bytes()[8:])


def _start(folder: Path, config: dict[str, object]) -> None:
    folder.mkdir(parents=True)
    (folder / "config.json").write_text(json.dumps(config))
