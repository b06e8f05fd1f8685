"""Tests of `ingest/formats/pipelines/checkpoint_parts.py`."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from safetensors.numpy import save_file

from tests.support.diffusion_pipelines import encoder, unet
from tests.support.families import Weights, print_of


def checkpoint(file: Path, denoiser: Weights, vae: Weights) -> Path:
    named = {f"model.diffusion_model.{key}": value for key, value in denoiser.items()}
    named |= {f"first_stage_model.{key}": value for key, value in vae.items()}
    save_file({**named, "alphas_cumprod": np.ones(8, np.float32)}, file)
    return file


def test_a_checkpoint_in_one_file_is_compared_by_its_denoiser(tmp_path: Path) -> None:
    one = print_of(checkpoint(tmp_path / "a.safetensors", unet(1), encoder(2)))
    other = print_of(checkpoint(tmp_path / "b.safetensors", unet(1), encoder(3)))
    assert list(one.components) == ["buffers", "first_stage_model"]
    assert one.components["buffers"] == other.components["buffers"]
    assert one.weights_hash != other.weights_hash and one.family_key == other.family_key
    save_file(unet(1), tmp_path / "c.safetensors")
    np.testing.assert_array_equal(print_of(tmp_path / "c.safetensors").sample.values, one.sample.values)
