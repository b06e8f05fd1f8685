"""Training: full, or low-rank with the rest frozen; five recipes of optimizer."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable

import numpy as np
import torch
from torch import Tensor

from atlas_db.core.arrays import Bytes
from benchmarks.zoo.nets import Shape, Weights, loss

BATCH, LENGTH = 16, 48
Objective = Callable[[Weights], Tensor]


class Lion(torch.optim.Optimizer):
    """Sign of an interpolated momentum (Chen et al., arXiv 2302.06675, algorithm 2)."""

    def __init__(self, params: Iterable[Tensor], lr: float, weight_decay: float = 0.0) -> None:
        super().__init__(params, {"lr": lr, "weight_decay": weight_decay})

    @torch.no_grad()
    def step(self, closure: object = None) -> None:  # type: ignore[override]
        """Move every parameter that has a gradient."""
        for group in self.param_groups:
            for value in group["params"]:
                if value.grad is None:
                    continue
                momentum = self.state[value].setdefault("momentum", torch.zeros_like(value))
                value.mul_(1 - group["lr"] * group["weight_decay"])
                value.sub_(torch.sign(0.9 * momentum + 0.1 * value.grad), alpha=group["lr"])
                momentum.mul_(0.99).add_(value.grad, alpha=0.01)


def batches(text: Bytes, seed: int) -> Callable[[], Tensor]:
    """Return a source of random batches of a corpus, shape (batch, length)."""
    rng = np.random.default_rng(seed)

    def draw() -> Tensor:
        rows, starts = rng.integers(0, text.shape[0], BATCH), rng.integers(0, text.shape[1] - LENGTH, BATCH)
        return torch.from_numpy(text[rows[:, None], starts[:, None] + np.arange(LENGTH)].astype(np.int64))

    return draw


def optimizer_of(name: str, params: list[Tensor], rate: float) -> torch.optim.Optimizer:
    """Return an optimizer by its name in a plan."""
    if name == "adamw":
        return torch.optim.AdamW(params, lr=rate, weight_decay=0.01)
    if name == "adamw_heavy":
        return torch.optim.AdamW(params, lr=rate, weight_decay=0.3)
    if name == "adam":
        return torch.optim.Adam(params, lr=rate)
    if name == "sgd":
        return torch.optim.SGD(params, lr=rate * 60, momentum=0.9)
    return Lion(params, lr=rate * 0.3, weight_decay=0.05)


def descend(params: list[Tensor], objective: Callable[[], Tensor], name: str, rate: float, steps: int) -> None:
    """Train parameters in place: five steps of warm-up, then a cosine."""
    optimizer = optimizer_of(name, params, rate)
    full = [group["lr"] for group in optimizer.param_groups]
    for step in range(steps):
        factor = min(1.0, (step + 1) / 5) * (0.55 + 0.45 * math.cos(math.pi * step / steps))
        for group, lr in zip(optimizer.param_groups, full, strict=True):
            group["lr"] = lr * factor
        optimizer.zero_grad(set_to_none=True)
        objective().backward()
        torch.nn.utils.clip_grad_norm_(params, 1.0)
        optimizer.step()


def train(
    weights: Weights, shape: Shape, draw: Callable[[], Tensor], name: str, rate: float, steps: int,
    frozen: Callable[[str], bool] = lambda name: False,
) -> Weights:  # fmt: skip
    """Return weights after full fine-tuning."""
    live = {key: value.clone().requires_grad_(not frozen(key)) for key, value in weights.items()}
    params = [value for value in live.values() if value.requires_grad]
    descend(params, lambda: loss(live, draw(), shape), name, rate, steps)
    return {key: value.detach() for key, value in live.items()}


def train_adapter(
    weights: Weights, shape: Shape, draw: Callable[[], Tensor], rank: int, targets: tuple[str, ...], scale: float,
    seed: int, name: str, rate: float, steps: int,
) -> dict[str, tuple[Tensor, Tensor]]:  # fmt: skip
    """Return low-rank factors (A of shape (rank, in), B of shape (out, rank)) for each target matrix."""
    generator = torch.Generator().manual_seed(seed)
    factors: dict[str, tuple[Tensor, Tensor]] = {}
    for key, value in weights.items():
        if any(f".{target}." in key for target in targets):
            first = (torch.rand(rank, value.shape[1], generator=generator) * 2 - 1) / value.shape[1] ** 0.5
            factors[key] = (first.requires_grad_(), torch.zeros(value.shape[0], rank).requires_grad_())

    def objective() -> Tensor:
        changed = {key: weights[key] + scale * (second @ first) for key, (first, second) in factors.items()}
        return loss({**weights, **changed}, draw(), shape)

    descend([side for pair in factors.values() for side in pair], objective, name, rate * 3, steps)
    return {key: (first.detach(), second.detach()) for key, (first, second) in factors.items()}
