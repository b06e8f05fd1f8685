"""GGUF files written by llama.cpp's own package."""

from __future__ import annotations

from pathlib import Path

import gguf
import numpy as np

from tests.support.families import HEADS


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
