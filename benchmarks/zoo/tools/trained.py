"""Roots and fine-tunes, by transformers and diffusers; LoRAs merged into their base, by PEFT."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import torch
from peft import LoraConfig, get_peft_model

from benchmarks.zoo.plan import Node
from benchmarks.zoo.tools.architectures import MODULES, TASK_TYPES, initial
from benchmarks.zoo.tools.workshop import Workshop

ADAPTER_RATE = 5.0
"""Learning rate of low-rank training over that of full training."""


def make_root(work: Workshop, node: Node, folder: Path) -> dict[str, Any]:
    """Pretrain from random weights."""
    model = initial(work.plan)
    node.optimizer, node.rate, node.steps = "adamw", 2e-3 if work.plan.width < 512 else 5e-4, work.plan.root_steps
    work.train(model, node)
    work.save(model, folder, node)
    return {}


def make_finetune(work: Workshop, node: Node, folder: Path) -> dict[str, Any]:
    """Fine-tune all weights, in float32 or, as memory is short, in bfloat16."""
    half = node.kind == "finetune_bf16"
    model = work.load(work.parents(node)[0], torch.bfloat16 if half else torch.float32)
    work.train(model, node)
    work.save(model, folder, node)
    return {}


def make_merged_lora(work: Workshop, node: Node, folder: Path) -> dict[str, Any]:
    """Train a LoRA and merge it into its base."""
    rng, names = random.Random(node.seed), MODULES[work.plan.architecture]
    rank = rng.choice((2, 4, 8, 8, 16))
    targets = rng.choice((names.attention, names.linear))
    rules = LoraConfig(
        r=rank, lora_alpha=rank * rng.choice((1, 2)), target_modules=list(targets),
        task_type=TASK_TYPES.get(work.plan.architecture),
    )  # fmt: skip
    node.rate, node.optimizer = node.rate * ADAPTER_RATE, "adamw"
    model = get_peft_model(work.load(work.parents(node)[0]), rules)
    work.train(model, node, steps=work.plan.short_steps)
    work.save(model.merge_and_unload(), folder, node)
    return {"rank": rank, "targets": len(targets)}
