"""Tensors of a model as stored, and what it states of its quantization: what is given to readers."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np

from atlas_db.core.arrays import Bytes, Integers
from ingest.formats.byte_source import ByteSource, read_rows
from ingest.formats.matrix import Matrix
from ingest.formats.safetensors import Tensor

StoredTensor = tuple[ByteSource, Tensor]


class UnreadableTensorError(Exception):
    """A tensor belongs to a format, and cannot be read. Its text completes "holds tensors of …"."""


class StoredTensors(NamedTuple):
    """The tensors of a model.

    Attributes:
        tensors: Tensors by name as stored.
        config: `config.json`, empty where there is none.
        metadata: Free text of the files.
    """

    tensors: Mapping[str, StoredTensor]
    config: Mapping[str, Any]
    metadata: Mapping[str, str]

    @property
    def quantization(self) -> Mapping[str, Any]:
        """What `config.json` states of the quantization; empty where it states nothing."""
        return quantization_config(self.config)

    @property
    def method(self) -> str:
        """The tool that `config.json` names, in small letters; empty where it names none."""
        stated = self.quantization.get("quant_method")
        return stated.lower() if isinstance(stated, str) else ""


class QuantizedFormat(NamedTuple):
    """A format of quantized matrices.

    Attributes:
        name: Its name in the field.
        tool: Tool and version whose files were read.
        read: What is read of it.
        unknown: What a file may not tell, and what is then done.
        error: Largest difference to the tool's own values, as a share of the largest magnitude; None where no tool
            gives values to compare with.
        bytes_read: What a fingerprint reads of a model of 1B parameters (`benchmarks/bytes_read.py`).
        places: Where such files are read: `disk, Hub`, with a limit of what is read by ranges.
        matrix: Function of the name of a tensor and all tensors to a matrix; None where the tensor is not of this
            format.
        served: Ends of names of tensors that only serve another, each with the ends of that other.
        verdict: What a chart says of a copy next to its original: `parent found`, or `not tried`.
    """

    name: str
    tool: str
    read: str
    unknown: str
    error: float | None
    bytes_read: str
    places: str
    matrix: Callable[[str, StoredTensors], Matrix | None]
    served: Mapping[str, tuple[str, ...]]
    verdict: str = "parent found"

    def is_side(self, name: str, stored: StoredTensors) -> bool:
        """Return whether a tensor only serves another one of this format."""
        for end, others in self.served.items():
            if name.endswith(end):
                base = name.removesuffix(end)
                return any(base + other in stored.tensors for other in others)
        return False


def quantization_config(config: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return what a configuration states of the quantization, also within that of a language model in a larger one."""
    for holder in (config, config.get("text_config")):
        if isinstance(holder, dict):
            for key in ("quantization_config", "compression_config"):
                if isinstance(stated := holder.get(key), dict):
                    return stated
    return {}


def read_row_bytes(stored: StoredTensor, rows: Integers, width: int) -> Bytes:
    """Return the bytes of rows of a tensor, consecutive rows read at once, shape (len(rows), width).

    Args:
        stored: The tensor.
        rows: Row indices.
        width: Bytes a row.
    """
    source, tensor = stored
    return read_rows(source, tensor.start, rows, width)


def bit_fields(raw: Bytes, bits: int) -> Integers:
    """Return codes of a stream of bits, the lowest bit first, shape (rows, 8 · width // bits).

    Args:
        raw: Bytes, shape (rows, width).
        bits: Bits a code, 1 to 8.
    """
    if bits == 8:
        return raw.astype(np.int64)
    if bits == 4:
        return np.stack((raw & 15, raw >> 4), -1).reshape(len(raw), -1).astype(np.int64)
    flat = np.unpackbits(raw, axis=1, bitorder="little")
    count = flat.shape[1] // bits
    return flat[:, : count * bits].reshape(len(raw), count, bits).astype(np.int64) @ (1 << np.arange(bits))
