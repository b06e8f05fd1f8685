"""MoTHer's three splits in small: `python -m benchmarks.zoo.vit OUT [--seed N]`.

The roots are five ViTs trained on made-up pictures in five ways: 10 classes, 100 classes, masked patches, rotation
prediction, denoising. Each gets four children, each of these four of its own: 21 models a tree, three levels. Every
model is trained on another task than its parent. Splits: full fine-tuning (ft), LoRA of the value matrices with one
rank (lora-f) and with varying ranks (lora-v), merged into the weights. Steps and learning rates are drawn as well.
`history/` holds weights along the fine-tuning of each root.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from transformers import ViTConfig, ViTForImageClassification

ROOTS = ("classes-10", "classes-100", "masked", "turned", "noisy")
SPLITS = ("ft", "lora-f", "lora-v")
CHILDREN = 4
RANK, RANKS = 8, (2, 4, 8, 16)
ROOT_STEPS, STEPS, BATCH, SIDE, PATCH = 800, (60, 160), 32, 16, 4
HISTORY = 10
"""Checkpoints kept along the fine-tuning of each root."""
CONFIG = {
    "hidden_size": 64, "num_hidden_layers": 4, "num_attention_heads": 4, "intermediate_size": 128,
    "image_size": SIDE, "patch_size": PATCH, "num_channels": 3,
}  # fmt: skip
Draw = Callable[[], tuple[Tensor, Tensor]]


def main() -> None:
    """Make all splits, the trees side by side."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.zoo.vit", description=__doc__)
    parser.add_argument("out", type=Path)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    with ProcessPoolExecutor(mp_context=get_context("spawn")) as pool:
        list(pool.map(make_root, range(len(ROOTS)), [options.out] * 5, [options.seed] * 5))
        jobs = [(split, tree) for split in SPLITS for tree in range(len(ROOTS))]
        made = [pool.submit(make_tree, split, tree, options.out, options.seed) for split, tree in jobs]
        for each in made:
            each.result()
        list(pool.map(make_history, range(len(ROOTS)), [options.out] * 5, [options.seed] * 5))
    for split in SPLITS:
        write_truth(options.out / split, options.seed)


def task(seed: int, classes: int) -> Draw:
    """Return a source of pictures of made-up classes: smooth patterns, shifted, with noise, (batch, 3, 16, 16)."""
    rng = np.random.default_rng(seed)
    coarse = rng.standard_normal((classes, 3, 6, 6))
    fine = torch.nn.functional.interpolate(torch.from_numpy(coarse).float(), SIDE, mode="bilinear")

    def draw() -> tuple[Tensor, Tensor]:
        labels = rng.integers(0, classes, BATCH)
        shifts = rng.integers(-3, 4, (BATCH, 2))
        pictures = [torch.roll(fine[c], tuple(s.tolist()), (1, 2)) for c, s in zip(labels, shifts, strict=True)]
        noise = torch.from_numpy(rng.standard_normal((BATCH, 3, SIDE, SIDE)).astype(np.float32))
        return torch.stack(pictures) + 0.8 * noise, torch.from_numpy(labels)

    return draw


def fresh(classes: int) -> ViTForImageClassification:
    """Return a ViT with a new head."""
    return ViTForImageClassification(ViTConfig(**CONFIG, num_labels=classes))


def make_root(tree: int, out: Path, seed: int) -> None:
    """Train a root from scratch."""
    torch.set_num_threads(1)
    torch.manual_seed(1000 * seed + tree)
    name = ROOTS[tree]
    classes = {"classes-10": 10, "classes-100": 100, "turned": 4}.get(name, 3 * PATCH**2)
    model = fresh(classes)
    draw = task(1000 * seed + tree, 100 if name == "classes-100" else 10 if name == "classes-10" else 40)
    fit(model, list(model.parameters()), _objective(name, model, draw), 1e-3, ROOT_STEPS)
    model.save_pretrained(out / "roots" / name)


def _objective(name: str, model: ViTForImageClassification, draw: Draw) -> Callable[[], Tensor]:
    def classes() -> Tensor:
        pictures, labels = draw()
        return nn.functional.cross_entropy(model(pictures).logits, labels)

    def turned() -> Tensor:
        pictures, _ = draw()
        turns = torch.randint(0, 4, (len(pictures),))
        seen = torch.stack([torch.rot90(p, int(t), (1, 2)) for p, t in zip(pictures, turns, strict=True)])
        return nn.functional.cross_entropy(model(seen).logits, turns)

    def filled() -> Tensor:
        pictures, _ = draw()
        patches = nn.functional.unfold(pictures, PATCH, stride=PATCH).transpose(1, 2)
        if name == "masked":
            hidden = torch.rand(patches.shape[:2]) < 0.5
            seen = torch.where(hidden[..., None], torch.zeros(()), patches)
        else:
            hidden = torch.ones(patches.shape[:2], dtype=torch.bool)
            seen = patches + torch.randn_like(patches)
        pixels = nn.functional.fold(seen.transpose(1, 2), SIDE, PATCH, stride=PATCH)
        states = model.vit(pixels).last_hidden_state[:, 1:]
        return ((model.classifier(states) - patches) ** 2)[hidden].mean()

    return classes if name.startswith("classes") else turned if name == "turned" else filled


def fit(model: nn.Module, params: list[Tensor], objective: Callable[[], Tensor], rate: float, steps: int) -> None:
    """Train parameters in place with AdamW, five steps of warm-up, then a line down to a tenth."""
    optimizer = torch.optim.AdamW(params, lr=rate, weight_decay=0.01)
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimizer, lambda step: min(1.0, (step + 1) / 5) * (1 - 0.9 * step / steps)
    )
    model.train()
    for _ in range(steps):
        optimizer.zero_grad(set_to_none=True)
        objective().backward()
        optimizer.step()
        schedule.step()


def make_tree(split: str, tree: int, out: Path, seed: int) -> None:
    """Train the two lower levels of a tree; folders `TREE`, `TREE-c`, `TREE-c-g`."""
    torch.set_num_threads(1)
    rng = np.random.default_rng((seed, SPLITS.index(split), tree))
    name = ROOTS[tree]
    root = ViTForImageClassification.from_pretrained(out / "roots" / name)
    root.save_pretrained(out / split / name)
    for child in range(CHILDREN):
        first = int(rng.integers(1 << 30))
        model = descend(root.vit.state_dict(), split, first, rng)
        model.save_pretrained(out / split / f"{name}-{child}")
        for grandchild in range(CHILDREN):
            below = descend(model.vit.state_dict(), split, int(rng.integers(1 << 30)), rng)
            below.save_pretrained(out / split / f"{name}-{child}-{grandchild}")


def descend(body: dict[str, Tensor], split: str, seed: int, rng: np.random.Generator) -> ViTForImageClassification:
    """Return a model fine-tuned from another's body on a task of its own, with a new head."""
    torch.manual_seed(seed)
    classes = int(rng.integers(4, 12))
    model = fresh(classes)
    model.vit.load_state_dict(body)
    draw, steps = task(seed, classes), int(rng.integers(*STEPS))
    rate = float(rng.choice([3e-4, 5e-4, 1e-3]))
    objective = _objective("classes", model, draw)
    if split == "ft":
        fit(model, list(model.parameters()), objective, rate, steps)
        return model
    rank = RANK if split == "lora-f" else int(rng.choice(RANKS))
    for parameter in model.vit.parameters():
        parameter.requires_grad_(False)
    live: list[Tensor] = list(model.classifier.parameters())
    for module in [m for n, m in model.vit.named_modules() if isinstance(m, nn.Linear) and n.endswith(VALUE)]:
        low = LowRank(rank, module.weight.shape)
        nn.utils.parametrize.register_parametrization(module, "weight", low)
        live += list(low.parameters())
    fit(model, live, objective, 10 * rate, steps)
    for module in model.vit.modules():
        if nn.utils.parametrize.is_parametrized(module):
            nn.utils.parametrize.remove_parametrizations(module, "weight")
    return model


VALUE = ("value", "v_proj")


class LowRank(nn.Module):
    """A matrix plus a product of two thin ones (Hu et al., arXiv 2106.09685)."""

    def __init__(self, rank: int, shape: torch.Size) -> None:
        super().__init__()
        self.down = nn.Parameter(torch.randn(rank, shape[1]) / shape[1] ** 0.5)
        self.up = nn.Parameter(torch.zeros(shape[0], rank))

    def forward(self, weight: Tensor) -> Tensor:
        """Return the sum."""
        return weight + self.up @ self.down


def make_history(tree: int, out: Path, seed: int) -> None:
    """Fine-tune a root in full and keep its weights along the way."""
    torch.set_num_threads(1)
    torch.manual_seed(5000 * seed + tree)
    name = ROOTS[tree]
    model = fresh(8)
    model.vit.load_state_dict(ViTForImageClassification.from_pretrained(out / "roots" / name).vit.state_dict())
    objective = _objective("classes", model, task(7000 * seed + tree, 8))
    model.save_pretrained(out / "history" / f"{name}-00")
    for step in range(1, HISTORY + 1):
        fit(model, list(model.parameters()), objective, 3e-4, 30)
        model.save_pretrained(out / "history" / f"{name}-{step:02d}")


def write_truth(folder: Path, seed: int) -> None:
    """Write what is true, and a listing with dates in the order that the models were made in."""
    names = sorted(path.name for path in folder.iterdir() if path.is_dir())
    parents = {name: _above(name) for name in names}
    edges = [
        {"parent": parent, "child": name, "relation": "finetune", "relation_accept": ["finetune"], "kind": "finetune",
         "optional": False, "weight": None}
        for name, parent in parents.items() if parent
    ]  # fmt: skip
    order = sorted(names, key=lambda name: (_level(name), name))
    day = {name: f"2024-{1 + at // 28:02d}-{1 + at % 28:02d}T00:00:00Z" for at, name in enumerate(order)}
    nodes = [
        {"id": name, "kind": "finetune" if parents[name] else "root", "family": _tree(name), "depth": _level(name),
         "created_at": day[name], "stage": "specialise"}
        for name in names
    ]  # fmt: skip
    truth = {"scenario": f"MoTHer, {folder.name}", "nodes": nodes, "edges": edges,
             "roots": [name for name in names if not parents[name]], "seed": seed}  # fmt: skip
    (folder / "truth.json").write_text(json.dumps(truth, indent=1))
    lines = [json.dumps({"id": name, "created_at": day[name], "folder": name}) for name in names]
    (folder / "hub.jsonl").write_text("\n".join(lines) + "\n")


def _tree(name: str) -> str:
    return next(root for root in sorted(ROOTS, key=len, reverse=True) if name == root or name.startswith(root + "-"))


def _level(name: str) -> int:
    return name.removeprefix(_tree(name)).count("-")


def _above(name: str) -> str:
    return name.rsplit("-", 1)[0] if _level(name) else ""


if __name__ == "__main__":
    main()
