"""Tests of `ingest/formats/quantized/scaled_codes.py`; values of real files are in `test_quantized_formats.py`."""

from __future__ import annotations

import json
from pathlib import Path

import ml_dtypes
import numpy as np
import pytest
from safetensors.numpy import save_file

from ingest.formats.open_model import open_model
from tests.support.packing import RNG, values
from tests.support.safetensors_files import raw_safetensors

E2M1 = np.array([0, 0.5, 1, 1.5, 2, 3, 4, 6, 0, -0.5, -1, -1.5, -2, -3, -4, -6], np.float32)


def int8(value: np.ndarray) -> dict[str, np.ndarray]:
    scale = np.abs(value).max(1, keepdims=True) / 127
    return {"m.weight": np.rint(value / scale).astype(np.int8), "m.weight_scale": scale.astype(np.float32)}


def test_int8_with_a_scale_a_row(tmp_path: Path) -> None:
    value = RNG.normal(size=(16, 64)).astype(np.float32)
    parts = int8(value)
    tmp_path.joinpath("m").mkdir()
    save_file(parts, tmp_path / "m" / "model.safetensors")
    with open_model(tmp_path / "m") as model:
        (matrix,) = model.matrices.values()
        np.testing.assert_allclose(values(matrix), parts["m.weight"] * parts["m.weight_scale"], rtol=1e-6)
        assert matrix.dtype == model.dtype == "I8"


@pytest.mark.parametrize("zero", [0, 8])
def test_int4_two_a_byte_of_either_convention(tmp_path: Path, zero: int) -> None:
    codes = np.clip(np.rint(RNG.normal(size=(16, 64)) * 2.5), -7, 7).astype(np.int16)
    raw = ((codes + zero) & 15).astype(np.uint8)
    scale = RNG.uniform(0.01, 0.02, (16, 2)).astype(np.float16)
    tmp_path.joinpath("m").mkdir()
    parts = {"m.weight_packed": raw[:, 0::2] | (raw[:, 1::2] << 4), "m.weight_scale": scale}
    save_file(parts, tmp_path / "m" / "model.safetensors")
    with open_model(tmp_path / "m") as model:
        (matrix,) = model.matrices.values()
        expected = codes.reshape(16, 2, 32) * scale.astype(np.float32)[:, :, None]
        np.testing.assert_allclose(values(matrix), expected.reshape(16, 64), rtol=1e-6)
        assert (matrix.name, matrix.columns, matrix.dtype) == ("m.weight", 64, "U4")


def test_float8_with_a_scale_a_block(tmp_path: Path) -> None:
    value = RNG.normal(size=(4, 64)).astype(ml_dtypes.float8_e4m3fn)
    scale = np.array([[1, 2], [3, 4]], np.float32)
    tmp_path.joinpath("m").mkdir()
    raw_safetensors(
        tmp_path / "m" / "model.safetensors",
        {"m.weight": ("F8_E4M3", (4, 64), value.tobytes()), "m.weight_scale_inv": ("F32", (2, 2), scale.tobytes())},
    )
    with open_model(tmp_path / "m") as model:
        expected = value.astype(np.float32) * scale.repeat(2, 0).repeat(32, 1)
        np.testing.assert_array_equal(values(model.matrices["m.weight"]), expected)


@pytest.mark.parametrize("stated", [True, False])
def test_float8_blocks_that_do_not_divide_the_sides(tmp_path: Path, stated: bool) -> None:
    value = RNG.normal(size=(192, 160)).astype(ml_dtypes.float8_e4m3fn)
    scale = RNG.uniform(1, 9, (2, 2)).astype(np.float32)
    raw_safetensors(
        tmp_path / "model.safetensors",
        {
            "m.weight": ("F8_E4M3", value.shape, value.tobytes()),
            "m.weight_scale_inv": ("F32", scale.shape, scale.tobytes()),
        },
    )
    if stated:
        quantization = {"quant_method": "fp8", "weight_block_size": [128, 128]}
        (tmp_path / "config.json").write_text(json.dumps({"quantization_config": quantization}))
    with open_model(tmp_path) as model:
        expected = value.astype(np.float32) * scale.repeat(128, 0)[:192].repeat(128, 1)[:, :160]
        np.testing.assert_array_equal(values(model.matrices["m.weight"]), expected)


def test_blocks_that_are_not_stated_and_do_not_fit_are_refused(tmp_path: Path) -> None:
    value = RNG.normal(size=(50, 64)).astype(ml_dtypes.float8_e4m3fn)
    raw_safetensors(
        tmp_path / "model.safetensors",
        {
            "m.weight": ("F8_E4M3", value.shape, value.tobytes()),
            "m.weight_scale": ("F32", (3, 1), np.ones(3, np.float32).tobytes()),
            "n.weight": ("F32", (4, 64), np.ones((4, 64), np.float32).tobytes()),
        },
    )
    with open_model(tmp_path) as model:
        assert set(model.matrices) == {"n.weight"}
        assert "3 scales along a side of 50" in model.problems[0]


@pytest.mark.parametrize("name", ["m.scale_weight", "m.weight_scale"])
def test_one_scale_for_a_matrix(tmp_path: Path, name: str) -> None:
    value = RNG.normal(size=(4, 64)).astype(ml_dtypes.float8_e4m3fn)
    raw_safetensors(
        tmp_path / "model.safetensors",
        {
            "m.weight": ("F8_E4M3", value.shape, value.tobytes()),
            name: ("F32", (), np.float32(3).tobytes()),
            "m.input_scale": ("F32", (), np.float32(7).tobytes()),
        },
    )
    with open_model(tmp_path) as model:
        assert set(model.matrices) == {"m.weight"}
        np.testing.assert_array_equal(values(model.matrices["m.weight"]), value.astype(np.float32) * 3)


def test_scales_that_are_exponents(tmp_path: Path) -> None:
    value = RNG.normal(size=(4, 64)).astype(ml_dtypes.float8_e4m3fn)
    exponents = RNG.integers(120, 130, (4, 2)).astype(np.uint8)
    raw_safetensors(
        tmp_path / "model.safetensors",
        {
            "m.weight": ("F8_E4M3", value.shape, value.tobytes()),
            "m.weight_scale": ("F8_E8M0", exponents.shape, exponents.tobytes()),
        },
    )
    with open_model(tmp_path) as model:
        expected = value.astype(np.float32) * np.repeat(2.0 ** (exponents.astype(np.float32) - 127), 32, 1)
        np.testing.assert_array_equal(values(model.matrices["m.weight"]), expected)


def test_nvfp4_of_modelopt(tmp_path: Path) -> None:
    codes, scale = RNG.integers(0, 16, (4, 64)), RNG.uniform(1, 9, (4, 4)).astype(ml_dtypes.float8_e4m3fn)
    raw = (codes[:, 0::2] | (codes[:, 1::2] << 4)).astype(np.uint8)
    raw_safetensors(
        tmp_path / "model.safetensors",
        {
            "m.weight": ("U8", raw.shape, raw.tobytes()),
            "m.weight_scale": ("F8_E4M3", scale.shape, scale.tobytes()),
            "m.weight_scale_2": ("F32", (), np.float32(0.25).tobytes()),
        },
    )
    with open_model(tmp_path) as model:
        matrix = model.matrices["m.weight"]
        expected = E2M1[codes] * scale.astype(np.float32).repeat(16, 1) * np.float32(0.25)
        np.testing.assert_allclose(values(matrix), expected, rtol=1e-6)
        assert matrix.dtype == "NVFP4"


@pytest.mark.parametrize("whole", [True, False])
def test_four_bit_floats_with_exponents(tmp_path: Path, whole: bool) -> None:
    """The type F4 counts values in its shape, two of them a byte."""
    codes, exponents = RNG.integers(0, 16, (4, 64)), RNG.integers(120, 130, (4, 2)).astype(np.uint8)
    raw = (codes[:, 0::2] | (codes[:, 1::2] << 4)).astype(np.uint8)
    raw_safetensors(
        tmp_path / "model.safetensors",
        {
            "m.weight": ("F4", codes.shape if whole else (4, 32), raw.tobytes()),
            "m.weight_scale": ("F8_E8M0", exponents.shape, exponents.tobytes()),
            "n.weight": ("F32", (4, 64), np.ones((4, 64), np.float32).tobytes()),
            "o.codes": ("F4", (2, 8), bytes(8)),
        },
    )
    with open_model(tmp_path) as model:
        assert "the type F4, without scales: o.codes" in model.problems[-1]
        if whole:
            expected = E2M1[codes] * np.repeat(2.0 ** (exponents.astype(np.float32) - 127), 32, 1)
            np.testing.assert_array_equal(values(model.matrices["m.weight"]), expected)
        else:
            assert "F4 of 128 values in 128 bytes: m.weight" in model.problems[0]
