"""Adapters in the layouts of peft 0.21.2, made of numbers alone."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from safetensors.numpy import save_file

from ingest.formats.open_model import open_model
from ingest.weights.adapters.traces import AdapterTraces, read_traces

PREFIX = "base_model.model.model."


def write_adapter(folder: Path, tensors: dict[str, np.ndarray], **config: object) -> Path:
    """Write tensors, named as within the model, and a configuration."""
    folder.mkdir(parents=True)
    typed = {PREFIX + name: np.ascontiguousarray(value, np.float32) for name, value in tensors.items()}
    save_file(typed, folder / "adapter_model.safetensors")
    (folder / "adapter_config.json").write_text(json.dumps({"peft_type": "LORA", **config}))
    return folder


def traces_of(folder: Path) -> AdapterTraces:
    with open_model(folder) as model:
        return read_traces(model)


def numbers(*sides: int, seed: int = 3) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=sides).astype(np.float32)
