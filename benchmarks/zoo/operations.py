"""What people do to weights without training: merges, quantization, pruning, permutation.

Merges follow their papers:

- SLERP, tensor by tensor (Shoemake 1985)
- task arithmetic (Ilharco et al., arXiv 2212.04089)
- TIES: trim, elect sign, disjoint mean (Yadav et al., arXiv 2306.01708)
- DARE: drop and rescale (Yu et al., arXiv 2311.03099)
"""

from __future__ import annotations

import torch
from torch import Tensor

from benchmarks.zoo.nets import Shape, Weights

GROUP = 32


def linear(models: list[Weights], shares: list[float]) -> Weights:
    """Return the weighted mean."""
    return {
        key: torch.stack([share * model[key] for model, share in zip(models, shares, strict=True)]).sum(0)
        for key in models[0]
    }


def slerp(first: Weights, second: Weights, part: float) -> Weights:
    """Return the point a part of the way along the arc, tensor by tensor."""
    made = {}
    for key, start in first.items():
        end = second[key]
        cosine = torch.dot(start.flatten(), end.flatten()) / (start.norm() * end.norm())
        angle = torch.arccos(cosine.clamp(-1, 1))
        if angle.sin().abs() < 1e-6:
            made[key] = (1 - part) * start + part * end
            continue
        made[key] = (((1 - part) * angle).sin() * start + (part * angle).sin() * end) / angle.sin()
    return made


def task(base: Weights, models: list[Weights], scale: float) -> Weights:
    """Return the base plus scaled task vectors."""
    return {key: value + scale * sum(model[key] - value for model in models) for key, value in base.items()}


def ties(base: Weights, models: list[Weights], density: float, scale: float) -> Weights:
    """Return the base plus trimmed, sign-elected, disjointly averaged task vectors."""
    made = {}
    for key, value in base.items():
        deltas = torch.stack([_trim(model[key] - value, density) for model in models])
        sign = torch.sign(deltas.sum(0))
        agree = (torch.sign(deltas) == sign) & (deltas != 0)
        mean = (deltas * agree).sum(0) / agree.sum(0).clamp(min=1)
        made[key] = value + scale * mean
    return made


def _trim(delta: Tensor, density: float) -> Tensor:
    keep = max(1, round(density * delta.numel()))
    cut = delta.abs().flatten().kthvalue(delta.numel() - keep + 1).values
    return torch.where(delta.abs() >= cut, delta, torch.zeros_like(delta))


def dare(base: Weights, models: list[Weights], density: float, generator: torch.Generator) -> Weights:
    """Return the base plus the mean of task vectors of which all but a random part is dropped, the rest rescaled."""
    made = {}
    for key, value in base.items():
        total = torch.zeros_like(value)
        for model in models:
            kept = torch.rand(value.shape, generator=generator) < density
            total += (model[key] - value) * kept / density
        made[key] = value + total / len(models)
    return made


def is_matrix(name: str) -> bool:
    """Whether quantization and pruning touch a tensor: the matrices of the blocks."""
    return name.endswith("_proj.weight")


def quantize(value: Tensor, bits: int, group: int = 0) -> tuple[Tensor, Tensor]:
    """Round to the nearest of a symmetric grid.

    Returns:
        Codes of the value's shape (int8), and scales of shape (rows, groups).
    """
    rows, columns = value.shape
    blocks = value.reshape(rows, -1, group or columns)
    scale = (blocks.abs().amax(-1, keepdim=True) / (2 ** (bits - 1) - 1)).clamp(min=1e-12)
    if group:
        scale = scale.half().float().clamp(min=1e-7)
    codes = (blocks / scale).round().clamp(-(2 ** (bits - 1)), 2 ** (bits - 1) - 1)
    return codes.reshape(rows, columns).to(torch.int8), scale.squeeze(-1)


def dequantize(codes: Tensor, scale: Tensor) -> Tensor:
    """Return values of codes."""
    rows, columns = codes.shape
    return (codes.reshape(rows, scale.shape[1], -1).float() * scale.unsqueeze(-1)).reshape(rows, columns)


def pack(codes: Tensor) -> Tensor:
    """Return int4 codes two a byte, the first in the low half."""
    unsigned = (codes.to(torch.int16) & 15).to(torch.uint8)
    return unsigned[:, 0::2] | (unsigned[:, 1::2] << 4)


def prune(weights: Weights, share: float) -> Weights:
    """Set the smallest values of each matrix to zero."""
    made = dict(weights)
    for key, value in weights.items():
        if is_matrix(key):
            cut = value.abs().flatten().kthvalue(max(1, round(share * value.numel()))).values
            made[key] = torch.where(value.abs() > cut, value, torch.zeros_like(value))
    return made


def permute(weights: Weights, shape: Shape, generator: torch.Generator) -> Weights:
    """Renumber the MLP's neurons and the attention heads: another file, the same function."""
    made = dict(weights)
    width = shape.hidden // shape.heads
    for layer in range(shape.layers):
        at = f"model.layers.{layer}."
        order = torch.randperm(shape.inner, generator=generator)
        for name in ("gate_proj", "up_proj"):
            made[f"{at}mlp.{name}.weight"] = weights[f"{at}mlp.{name}.weight"][order]
        made[at + "mlp.down_proj.weight"] = weights[at + "mlp.down_proj.weight"][:, order]
        heads = torch.randperm(shape.heads, generator=generator)
        rows = (heads[:, None] * width + torch.arange(width)).flatten()
        for name in "qkv":
            made[f"{at}self_attn.{name}_proj.weight"] = weights[f"{at}self_attn.{name}_proj.weight"][rows]
        made[at + "self_attn.o_proj.weight"] = weights[at + "self_attn.o_proj.weight"][:, rows]
    return made


def resize(weights: Weights, more: int, generator: torch.Generator) -> Weights:
    """Add tokens: rows around the mean of the old ones."""
    made = dict(weights)
    for key in ("model.embed_tokens.weight", "lm_head.weight"):
        old = weights[key]
        new = old.mean(0) + 0.02 * torch.randn(more, old.shape[1], generator=generator)
        made[key] = torch.cat((old, new))
    return made
