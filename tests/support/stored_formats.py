"""Small quantized files of real tools, with the values that the tools read from them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from atlas_db.core.errors import WeightsError
from ingest.formats.open_model import open_model

DATA = Path(__file__).parents[1] / "ingest" / "formats" / "quantized" / "data"
EXPECTED = "expected:"
"""Prefix of the names of values by the tool, beside the tensors of a file."""


def tensors_of(name: str) -> dict[str, np.ndarray]:
    """Return the tensors of a file, without the values that are expected."""
    return {
        key: value for key, value in load_file(DATA / f"{name}.safetensors").items() if not key.startswith(EXPECTED)
    }


def expected_of(name: str, tensor: str) -> np.ndarray:
    """Return the values of a tensor by the tool."""
    return load_file(DATA / f"{name}.safetensors")[EXPECTED + tensor]


def check_refused(folder: Path, name: str, part: str, value: np.ndarray | None, reason: str) -> None:
    """Check that a file is refused for a reason where one of its tensors is another, or is not there."""
    tensors = tensors_of(name)
    del tensors[part]
    if value is not None:
        tensors[part] = value
    save_file(tensors, folder / "model.safetensors")
    with pytest.raises(WeightsError, match=reason):
        open_model(folder)
