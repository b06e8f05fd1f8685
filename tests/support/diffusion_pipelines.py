"""Pipelines in the layout of diffusers, made of numbers alone: a denoiser, an autoencoder and a text encoder."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from safetensors.numpy import save_file

from tests.support.families import TYPES, Weights

CLASSES = {
    "unet": ["diffusers", "UNet2DConditionModel"],
    "transformer": ["diffusers", "FluxTransformer2DModel"],
    "transformer_2": ["diffusers", "WanTransformer3DModel"],
    "vae": ["diffusers", "AutoencoderKL"],
    "text_encoder": ["transformers", "CLIPTextModel"],
    "tokenizer": ["transformers", "CLIPTokenizer"],
    "safety_checker": [None, None],
}


def unet(seed: int) -> Weights:
    rng = np.random.default_rng(seed)
    names = [f"{side}_blocks.{at}.attentions.0.to_{kind}.weight" for side in ("down", "up") for at in (0, 1)
             for kind in "qkv"]  # fmt: skip
    made = {name: rng.normal(size=(64, 64)).astype(np.float32) for name in names}
    return {**made, "down_blocks.0.resnets.0.conv1.weight": rng.normal(size=(32, 32, 3, 3)).astype(np.float32)}


def encoder(seed: int) -> Weights:
    rng = np.random.default_rng(seed)
    return {f"encoder.layers.{at}.mlp.fc1.weight": rng.normal(size=(64, 64)).astype(np.float32) for at in range(2)}


def write_pipeline(folder: Path, parts: Mapping[str, Weights], dtype: str = "F32", variant: str = "") -> Path:
    """Write a pipeline, or a variant beside it."""
    named = {"_class_name": "StableDiffusionPipeline", **{name: CLASSES[name] for name in [*parts, "tokenizer"]}}
    (folder / "tokenizer").mkdir(parents=True, exist_ok=True)
    (folder / "tokenizer" / "tokenizer_config.json").write_text("{}")
    (folder / "model_index.json").write_text(json.dumps({**named, "safety_checker": CLASSES["safety_checker"]}))
    for name, weights in parts.items():
        (folder / name).mkdir(exist_ok=True)
        (folder / name / "config.json").write_text("{}")
        stem = "model" if name == "text_encoder" else "diffusion_pytorch_model"
        file = folder / name / f"{stem}{variant and '.'}{variant}.safetensors"
        save_file({key: value.astype(TYPES[dtype]) for key, value in weights.items()}, file)
    return folder


def parts_of(denoiser: int, vae: int = 1, text: int = 2) -> dict[str, Weights]:
    """Return the components of a pipeline, each by its seed."""
    return {"unet": unet(denoiser), "vae": encoder(vae), "text_encoder": encoder(text)}
