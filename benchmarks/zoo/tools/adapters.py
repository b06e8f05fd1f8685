"""Adapters of every kind that PEFT trains, and LoRAs in the layouts of diffusers and of kohya's scripts."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import peft
import torch
from diffusers import StableDiffusionPipeline
from diffusers.utils import convert_state_dict_to_diffusers, convert_state_dict_to_kohya
from peft.utils import get_peft_model_state_dict
from safetensors.torch import save_file

from benchmarks.zoo.corpora import VOCABULARY
from benchmarks.zoo.plan import Node
from benchmarks.zoo.tools.architectures import MODULES, TASK_TYPES, Modules
from benchmarks.zoo.tools.trained import ADAPTER_RATE
from benchmarks.zoo.tools.workshop import Workshop

ELSEWHERE = "/workspace/out/checkpoint-500"
"""What half of the adapters name as their base: a path on the machine where they were trained."""
Rules = Callable[[Modules, random.Random], peft.PeftConfig]


def _lora(**options: object) -> Rules:
    """Return the rules of a LoRA of random rank."""

    def rules(names: Modules, rng: random.Random) -> peft.PeftConfig:
        rank = rng.choice((2, 4, 8, 16))
        targets = names.linear if options.get("all_linear") else rng.choice((names.attention, names.linear))
        more = {key: value for key, value in options.items() if key != "all_linear"}
        return peft.LoraConfig(r=rank, lora_alpha=rank * rng.choice((1, 2)), target_modules=list(targets), **more)

    return rules


def _adalora(names: Modules, rng: random.Random) -> peft.PeftConfig:
    return peft.AdaLoraConfig(
        init_r=rng.choice((6, 12)), target_r=4, tinit=5, tfinal=10, deltaT=1, total_step=30,
        target_modules=list(names.attention),
    )  # fmt: skip


def _embedding(names: Modules, rng: random.Random) -> peft.PeftConfig:
    targets = [*names.attention, names.words]
    return peft.LoraConfig(r=rng.choice((4, 8)), lora_alpha=16, target_modules=targets)


def _tokens(names: Modules, rng: random.Random) -> peft.PeftConfig:
    rows = sorted(rng.sample(range(VOCABULARY), rng.choice((4, 16, 48))))
    if rng.random() < 0.5:
        return peft.TrainableTokensConfig(token_indices=rows, target_modules=[names.words])
    return peft.LoraConfig(r=4, target_modules=list(names.attention), trainable_token_indices={names.words: rows})


def _experts(names: Modules, rng: random.Random) -> peft.PeftConfig:
    fused = ["mlp.experts.gate_up_proj", "mlp.experts.down_proj"]
    targets = fused[: rng.choice((1, 2))]
    return peft.LoraConfig(r=rng.choice((2, 4)), target_modules=list(names.attention), target_parameters=targets)


def _ia3(names: Modules, rng: random.Random) -> peft.PeftConfig:
    forward = [name for name in names.ia3 if name.rpartition(".")[2] in ("down_proj", "c_proj", "dense", "wo", "fc2")]
    return peft.IA3Config(target_modules=list(names.ia3), feedforward_modules=forward)


RULES: dict[str, Rules] = {
    "lora": _lora(),
    "lora_all": _lora(all_linear=True, bias="lora_only"),
    "dora": _lora(use_dora=True),
    "rslora": _lora(use_rslora=True),
    "pissa": _lora(init_lora_weights="pissa"),
    "adalora": _adalora,
    "loha": lambda names, rng: peft.LoHaConfig(r=rng.choice((2, 4)), alpha=8, target_modules=list(names.attention)),
    "lokr": lambda names, rng: peft.LoKrConfig(
        r=rng.choice((2, 4)), alpha=8, target_modules=list(names.linear), decompose_both=rng.random() < 0.5
    ),
    "oft": lambda names, rng: peft.OFTConfig(
        r=0, oft_block_size=rng.choice((8, 16)), target_modules=list(names.attention), use_cayley_neumann=False
    ),
    "boft": lambda names, rng: peft.BOFTConfig(
        boft_block_size=8, boft_n_butterfly_factor=rng.choice((1, 2)), target_modules=list(names.attention)
    ),
    "vera": lambda names, rng: peft.VeraConfig(
        r=rng.choice((16, 32)), target_modules=list(names.attention[:1]), save_projection=rng.random() < 0.7
    ),
    "ia3": _ia3,
    "ln": lambda names, rng: peft.LNTuningConfig(target_modules=list(names.norms)),
    "tokens": _tokens,
    "embedding": _embedding,
    "experts": _experts,
}


def adapt(work: Workshop, node: Node, folder: Path) -> dict[str, Any]:
    """Train an adapter with PEFT and save it; one in two names a base that nobody has."""
    rng, names = random.Random(node.seed), MODULES[work.plan.architecture]
    rules = RULES[node.kind.removeprefix("adapter_")](names, rng)
    rules.task_type = TASK_TYPES.get(work.plan.architecture)
    base = work.load(work.parents(node)[0], torch.bfloat16 if rng.random() < 0.3 else torch.float32)
    model = peft.get_peft_model(base, rules)
    node.rate, node.optimizer = node.rate * ADAPTER_RATE, "adamw"
    work.train(model, node, steps=work.plan.short_steps)
    model.save_pretrained(folder)
    file = folder / "adapter_config.json"
    stated = json.loads(file.read_text())
    stated["base_model_name_or_path"] = rng.choice((work.parents(node)[0], ELSEWHERE))
    file.write_text(json.dumps(stated, indent=2))
    return {"peft": str(rules.peft_type.value), "rank": getattr(rules, "r", None)}


def diffuse(work: Workshop, node: Node, folder: Path) -> dict[str, Any]:
    """Train a LoRA of a diffusion network, and save it as diffusers or kohya's scripts do."""
    rng, names = random.Random(node.seed), MODULES["unet"]
    rank = rng.choice((4, 8))
    model = work.load(work.parents(node)[0])
    model.requires_grad_(False)
    targets = list(rng.choice((names.attention, names.linear)))
    model.add_adapter(peft.LoraConfig(r=rank, lora_alpha=rank, target_modules=targets))
    node.rate, node.optimizer = node.rate * ADAPTER_RATE, "adamw"
    work.train(model, node, steps=work.plan.short_steps)
    state = get_peft_model_state_dict(model)
    if node.kind == "adapter_diffusers":
        StableDiffusionPipeline.save_lora_weights(str(folder), unet_lora_layers=convert_state_dict_to_diffusers(state))
    else:
        folder.mkdir(parents=True)
        named = convert_state_dict_to_kohya({f"unet.{key}": value for key, value in state.items()})
        save_file({key: value.contiguous() for key, value in named.items()}, folder / f"{folder.name}.safetensors")
    return {"rank": rank}
