"""Tests of `ingest/formats/quantized/compressed_tensors.py`; values of real files are in `test_quantized_formats.py`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import save_file

from ingest.formats.open_model import open_model
from tests.support.packing import RNG, values

MODULE = "model.layers.0.mlp.up_proj"
NORM = {
    "model.norm.weight": np.ones(64, np.float32),
    "model.layers.0.self_attn.q_proj.weight": np.ones((4, 64), np.float32),
}


def config(*schemes: dict[str, Any]) -> str:
    groups = {f"group_{place}": {"format": "pack-quantized", "weights": each} for place, each in enumerate(schemes)}
    return json.dumps({"quantization_config": {"quant_method": "compressed-tensors", "config_groups": groups}})


def words_of(codes: np.ndarray, bits: int) -> np.ndarray:
    """Return codes as older versions pack them: whole codes alone in a word."""
    count = 32 // bits
    padded = np.pad(codes, ((0, 0), (0, -codes.shape[1] % count))).reshape(len(codes), -1, count).astype(np.uint32)
    return (padded << (np.arange(count, dtype=np.uint32) * bits)).sum(-1, dtype=np.uint32).view(np.int32)


def test_int4_eight_a_word(tmp_path: Path) -> None:
    codes = RNG.integers(-8, 8, (4, 64))
    words = sum(((codes[:, place::8] + 8).astype(np.uint32) << (4 * place)) for place in range(8))
    tmp_path.joinpath("m").mkdir()
    parts = {"m.weight_packed": words.astype(np.int32), "m.weight_scale": np.full((4, 1), 0.5, np.float32)}
    parts |= {"m.weight_shape": np.array([4, 64])}
    save_file(parts, tmp_path / "m" / "model.safetensors")
    with open_model(tmp_path / "m") as model:
        np.testing.assert_array_equal(values(model.matrices["m.weight"]), codes * 0.5)


@pytest.mark.parametrize("bits", [3, 5, 6])
def test_words_of_whole_codes(tmp_path: Path, bits: int) -> None:
    codes = RNG.integers(0, 2**bits, (4, 64))
    parts = {
        f"{MODULE}.weight_packed": words_of(codes, bits),
        f"{MODULE}.weight_scale": np.full((4, 1), 0.5, np.float32),
        f"{MODULE}.weight_shape": np.array([4, 64]),
    }
    save_file(parts | NORM, tmp_path / "model.safetensors")
    (tmp_path / "config.json").write_text(config({"num_bits": bits, "type": "int", "strategy": "channel"}))
    with open_model(tmp_path) as model:
        matrix = model.matrices["layers.0.mlp.up_proj.weight"]
        np.testing.assert_array_equal(values(matrix), (codes - 2 ** (bits - 1)) * 0.5)
        assert matrix.dtype == f"CT{bits}"


def test_columns_in_the_order_of_their_groups(tmp_path: Path) -> None:
    codes, order = RNG.integers(0, 16, (4, 64)), RNG.permutation(64) % 2
    scale = np.array([[1, 10]] * 4, np.float32)
    parts = {
        f"{MODULE}.weight_packed": words_of(codes, 4), f"{MODULE}.weight_scale": scale,
        f"{MODULE}.weight_shape": np.array([4, 64]), f"{MODULE}.weight_g_idx": order.astype(np.int32),
    }  # fmt: skip
    save_file(parts | NORM, tmp_path / "model.safetensors")
    (tmp_path / "config.json").write_text(config({"num_bits": 4, "type": "int", "group_size": 32}))
    with open_model(tmp_path) as model:
        expected = (codes - 8) * scale[:, order]
        np.testing.assert_array_equal(values(model.matrices["layers.0.mlp.up_proj.weight"]), expected)


@pytest.mark.parametrize(
    ("schemes", "shape", "reason"),
    [
        ([], [4, 64], "no stated scheme fits"),
        ([{"num_bits": 4, "type": "int"}], [4, 60], "no stated scheme fits"),
        ([{"num_bits": True, "type": "int"}], [4, 64], "no stated scheme fits"),
        ([{"num_bits": 4, "group_size": 32}, {"num_bits": 4, "group_size": 64}], [4, 64], "several schemes fit"),
        ([{"num_bits": 4, "group_size": 32}], [4, 64], "scales along a side"),
        ([{"num_bits": 4, "group_size": 32}], [4.0, float("nan")], "scales along a side"),
        ([{"num_bits": 4, "group_size": 32}], [float("inf"), 64.0], "scales along a side"),
    ],
)
def test_codes_that_no_single_scheme_fits_are_refused_by_name(
    tmp_path: Path, schemes: list[dict[str, Any]], shape: list[float], reason: str
) -> None:
    parts = {
        f"{MODULE}.weight_packed": words_of(RNG.integers(0, 16, (4, 64)), 4)[:, : 7 if shape[1] == 60 else 8 if schemes else 3],
        f"{MODULE}.weight_scale": np.ones((4, 3), np.float32), f"{MODULE}.weight_shape": np.array(shape),
    }  # fmt: skip
    save_file({name: np.ascontiguousarray(part) for name, part in parts.items()} | NORM, tmp_path / "model.safetensors")
    (tmp_path / "config.json").write_text(config(*schemes))
    with open_model(tmp_path) as model:
        assert set(model.matrices) == {"norm.weight", "layers.0.self_attn.q_proj.weight"}
        assert reason in model.problems[0]
