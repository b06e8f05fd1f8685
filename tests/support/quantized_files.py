"""Weights quantized as bitsandbytes and MLX quantize them, written by their documented rules with numpy alone."""

from __future__ import annotations

import json

import numpy as np

Arrays = dict[str, np.ndarray]
NF4 = np.array(
    [-1.0, -0.6962, -0.5251, -0.3949, -0.2844, -0.1848, -0.0911, 0.0,
     0.0796, 0.1609, 0.2461, 0.3379, 0.4407, 0.5626, 0.7230, 1.0], np.float32,
)  # fmt: skip


def nf4(name: str, values: np.ndarray, *, nested: bool = False, block: int = 64) -> tuple[Arrays, np.ndarray]:
    """Return the tensors of a matrix in NF4, and the values that they stand for."""
    flat = values.astype(np.float32).reshape(-1, block)
    scale = np.abs(flat).max(1)
    codes = np.abs(flat[:, :, None] / scale[:, None, None] - NF4).argmin(-1).astype(np.uint8)
    state = {"quant_type": "nf4", "blocksize": block, "dtype": "bfloat16", "shape": list(values.shape)}
    pairs = codes.reshape(-1)
    out = {name: ((pairs[0::2] << 4) | pairs[1::2]).reshape(-1, 1), f"{name}.quant_map": NF4}
    if nested:
        table, offset = np.linspace(-1, 1, 256, dtype=np.float32), np.float32(scale.mean())
        outer = np.array(
            [np.abs(part - offset).max() for part in np.split(scale, range(16, len(scale), 16))], np.float32
        )
        factor = outer[np.arange(len(scale)) // 16]
        inner = np.abs((scale - offset)[:, None] / factor[:, None] - table).argmin(1)
        out |= {
            f"{name}.absmax": inner.astype(np.uint8),
            f"{name}.nested_absmax": outer,
            f"{name}.nested_quant_map": table,
        }
        state |= {"nested_blocksize": 16, "nested_offset": float(offset), "nested_dtype": "float32"}
        scale = table[inner] * factor + offset
    else:
        out[f"{name}.absmax"] = scale
    out[f"{name}.quant_state.bitsandbytes__nf4"] = np.frombuffer(json.dumps(state).encode(), np.uint8)
    return out, (NF4[codes] * scale[:, None]).reshape(values.shape)


def int8(name: str, values: np.ndarray) -> tuple[Arrays, np.ndarray]:
    """Return the tensors of a matrix in LLM.int8, and the values that they stand for."""
    scale = np.abs(values).max(1).astype(np.float32)
    codes = np.round(values / scale[:, None] * 127).astype(np.int8)
    base = name.removesuffix("weight")
    side = {f"{base}SCB": scale, f"{base}weight_format": np.zeros((), np.uint8)}
    return {name: codes, **side}, codes * (scale / 127)[:, None]


def mlx(name: str, values: np.ndarray, bits: int, group: int) -> tuple[Arrays, np.ndarray]:
    """Return the tensors of an affine matrix of MLX, and the values that they stand for."""
    rows, columns = values.shape
    grouped = values.astype(np.float32).reshape(rows, columns // group, group)
    low, high = grouped.min(-1, keepdims=True), grouped.max(-1, keepdims=True)
    scale = ((high - low) / (2**bits - 1)).astype(np.float32)
    codes = np.clip(np.round((grouped - low) / scale), 0, 2**bits - 1).astype(np.uint8)
    fields = np.unpackbits(codes.reshape(rows, columns, 1), axis=-1, bitorder="little")[:, :, :bits]
    words = np.packbits(fields.reshape(rows, -1), axis=1, bitorder="little").view("<u4")
    base = name.removesuffix(".weight")
    side = {f"{base}.scales": scale[..., 0], f"{base}.biases": low[..., 0]}
    return {name: words, **side}, (codes * scale + low).reshape(rows, columns)
