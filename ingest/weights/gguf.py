"""GGUF files, through llama.cpp's own package: rows of any of its types as float32.

Rows of query and key are stored in another order there (pairs of a rotation side by side); they come back in the order
of transformers.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from atlas_db.errors import WeightsError
from ingest.weights.safetensors import Floats

MAGIC = b"GGUF"
_REORDERED = ("llama",)
"""Architectures whose query and key rows the converter reorders (convert_hf_to_gguf, LlamaModel.permute)."""


class GgufTensor(NamedTuple):
    """One tensor of a GGUF file.

    Attributes:
        name: llama.cpp's name.
        dtype: Q4_0, Q6_K, F16 …
        rows: Rows.
        columns: Elements a row.
        data: Raw rows, shape (rows, bytes or elements), mapped.
        heads: Heads to reorder rows by; 0 where they are in order.
    """

    name: str
    dtype: str
    rows: int
    columns: int
    data: npt.NDArray[Any]
    heads: int

    def read(self, rows: npt.NDArray[np.int64]) -> Floats:
        """Return rows as float32, shape (len(rows), columns)."""
        from gguf import GGMLQuantizationType, quants

        if self.heads:
            half = self.rows // self.heads // 2
            head, within = np.divmod(rows, 2 * half)
            rows = head * 2 * half + (within % half) * 2 + within // half
        return np.asarray(quants.dequantize(self.data[rows], GGMLQuantizationType[self.dtype]), np.float32)


def read_gguf(path: Path) -> list[GgufTensor]:
    """Return the tensors of a GGUF file; their data is mapped, not read.

    Raises:
        WeightsError: It is no GGUF file, is cut short, or its header lies.
    """
    from gguf import GGUFReader

    try:
        with path.open("rb") as handle:
            if handle.read(4) != MAGIC:
                raise WeightsError(str(path), "is no GGUF file")
        reader = GGUFReader(path)
        architecture = _text(reader, "general.architecture")
        heads = int(_number(reader, f"{architecture}.attention.head_count"))
        kv_heads = int(_number(reader, f"{architecture}.attention.head_count_kv")) or heads
        return [_tensor(item, heads, kv_heads, architecture) for item in reader.tensors]
    except (OSError, ValueError, IndexError, KeyError, TypeError, OverflowError, MemoryError) as error:
        if isinstance(error, WeightsError):
            raise
        raise WeightsError(str(path), f"has a header that is no GGUF header ({error})") from error


def _tensor(item: Any, heads: int, kv_heads: int, architecture: str) -> GgufTensor:  # noqa: ANN401
    columns = int(item.shape[0])
    rows = int(np.prod(item.shape[1:], dtype=np.int64)) if len(item.shape) > 1 else 1
    data = item.data.reshape(rows, -1)
    reorder = 0
    if architecture in _REORDERED:
        reorder = {"attn_q": heads, "attn_k": kv_heads}.get(item.name.split(".")[-2], 0)
    return GgufTensor(item.name, item.tensor_type.name, rows, columns, data, reorder)


def _text(reader: Any, key: str) -> str:  # noqa: ANN401
    field = reader.get_field(key)
    return str(field.contents()) if field is not None else ""


def _number(reader: Any, key: str) -> float:  # noqa: ANN401
    field = reader.get_field(key)
    value = field.contents() if field is not None else 0
    return float(value) if isinstance(value, int | float) else 0.0
