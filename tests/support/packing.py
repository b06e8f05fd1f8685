"""Matrices packed as GPTQ and AWQ store them, and their values read back."""

from __future__ import annotations

import numpy as np

from ingest.formats.matrix import Matrix

RNG = np.random.default_rng(5)


def values(matrix: Matrix) -> np.ndarray:
    return matrix.read(np.arange(matrix.rows))


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
