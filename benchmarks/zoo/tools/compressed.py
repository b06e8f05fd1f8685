"""Casts by transformers and diffusers, quantized models by bitsandbytes and GGUF, pipelines by diffusers."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import torch
from diffusers import AutoencoderKL, DDIMScheduler, StableDiffusionPipeline
from transformers import BitsAndBytesConfig, CLIPTextConfig, CLIPTextModel, CLIPTokenizer

from benchmarks.zoo import folders
from benchmarks.zoo.make import GGUF_KINDS
from benchmarks.zoo.nets import Shape
from benchmarks.zoo.plan import Node
from benchmarks.zoo.tools.architectures import load
from benchmarks.zoo.tools.workshop import Workshop


def cast(work: Workshop, node: Node, folder: Path) -> dict[str, Any]:
    """Save in a narrower type; the variant's file has the type in its name."""
    options = {"variant": "fp16"} if node.kind == "cast_variant" else {}
    work.save(work.load(work.parents(node)[0]), folder, node, **options)
    return {}


def quantize_bitsandbytes(work: Workshop, node: Node, folder: Path) -> dict[str, Any]:
    """Save as bitsandbytes reads it: 4 bits (NF4 or FP4, its scales quantized or not), or 8."""
    rng = random.Random(node.seed)
    detail: dict[str, Any] = {}
    if node.kind == "quant_bnb4":
        detail = {"type": rng.choice(("nf4", "nf4", "fp4")), "double": rng.random() < 0.5}
        rules = BitsAndBytesConfig(
            load_in_4bit=True, bnb_4bit_quant_type=detail["type"], bnb_4bit_use_double_quant=detail["double"]
        )
    else:
        rules = BitsAndBytesConfig(load_in_8bit=True)
    model = load(work.plan.architecture, Path(work.parents(node)[0]), torch.bfloat16, quantization_config=rules)
    model.save_pretrained(folder)
    work.save_tokenizer(folder)
    return detail


def quantize_gguf(work: Workshop, node: Node, folder: Path) -> dict[str, Any]:
    """Write a GGUF file with llama.cpp's package."""
    kind = random.Random(node.seed).choice(GGUF_KINDS)
    model = work.load(work.parents(node)[0])
    config = model.config
    shape = Shape(config.hidden_size, config.num_hidden_layers, config.num_attention_heads, config.intermediate_size,
                  config.vocab_size, config.num_key_value_heads)  # fmt: skip
    folders.write_gguf(folder, {key: value.detach() for key, value in model.state_dict().items()}, shape, kind)
    return {"gguf": kind}


def save_pipeline(work: Workshop, node: Node, folder: Path) -> dict[str, Any]:
    """Save a whole Stable Diffusion pipeline around the network, its other parts new."""
    words = folder.parent / "words"
    words.mkdir(parents=True, exist_ok=True)
    text = CLIPTextConfig(vocab_size=64, hidden_size=32, intermediate_size=64, num_hidden_layers=2,
                          num_attention_heads=4, projection_dim=32, bos_token_id=0, eos_token_id=1)  # fmt: skip
    table = {"<|startoftext|>": 0, "<|endoftext|>": 1, "a</w>": 2, "b</w>": 3}
    (words / "vocab.json").write_text(json.dumps(table))
    (words / "merges.txt").write_text("#version: 0.2\n")
    pipeline = StableDiffusionPipeline(
        vae=AutoencoderKL(block_out_channels=[16, 32], in_channels=3, out_channels=3, latent_channels=3,
                          down_block_types=["DownEncoderBlock2D"] * 2, up_block_types=["UpDecoderBlock2D"] * 2,
                          norm_num_groups=8),
        text_encoder=CLIPTextModel(text), tokenizer=CLIPTokenizer.from_pretrained(str(words)),
        unet=work.load(work.parents(node)[0]), scheduler=DDIMScheduler(), safety_checker=None, feature_extractor=None,
        requires_safety_checker=False,
    )  # fmt: skip
    pipeline.to(folders.DTYPES[node.dtype]).save_pretrained(folder)
    for file in words.iterdir():
        file.unlink()
    words.rmdir()
    return {}
