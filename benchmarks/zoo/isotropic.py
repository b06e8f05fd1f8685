"""Families made by isotropic steps: `python -m benchmarks.zoo.isotropic OUT --seed 1 [--families 6] [--size 12]`.

A child is its parent plus independent noise, in some families on a part of the rows alone. Squared distances then add
up along the tree exactly. No training does that, so such families are only the plain end of what a fit must hold for.
"""

from __future__ import annotations

import argparse
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
from safetensors.numpy import save_file

from benchmarks.zoo.make import write_truth
from benchmarks.zoo.plan import ACCEPT, Node

Weights = dict[str, np.ndarray[tuple[int, ...], np.dtype[np.float32]]]
HIDDEN, INNER, VOCABULARY, LAYERS = 64, 128, 256, 2


def root(rng: np.random.Generator) -> Weights:
    """Return random weights of a small Llama's sides."""
    sides = {"model.embed_tokens": (VOCABULARY, HIDDEN), "lm_head": (VOCABULARY, HIDDEN)}
    for layer in range(LAYERS):
        at = f"model.layers.{layer}."
        sides |= {f"{at}self_attn.{name}_proj": (HIDDEN, HIDDEN) for name in "qkvo"}
        sides |= {f"{at}mlp.gate_proj": (INNER, HIDDEN), f"{at}mlp.up_proj": (INNER, HIDDEN)}
        sides[f"{at}mlp.down_proj"] = (HIDDEN, INNER)
    return {f"{name}.weight": (rng.normal(size=each) * 0.05).astype(np.float32) for name, each in sides.items()}


def stepped(weights: Weights, rng: np.random.Generator, size: float, share: float) -> Weights:
    """Return weights plus noise of a relative size, on a share of the rows."""
    out = {}
    for name, value in weights.items():
        moved = rng.random((len(value), 1)) < share
        step = rng.normal(size=value.shape) * (size * value.std()) * moved
        out[name] = (value + step).astype(np.float32)
    return out


def make(out: Path, seed: int, families: int, size: int) -> None:
    """Make a zoo: a folder a model, `hub.jsonl` and `truth.json`."""
    rng = np.random.default_rng(seed)
    start, nodes, made = datetime(2024, 1, 1, tzinfo=UTC), list[Node](), list[Weights]()
    for family in range(families):
        first, spread = len(nodes), float(rng.uniform(0.2, 1.0))
        share = float(rng.choice([1.0, 1.0, 0.6]))
        # In some families all steps are about as long; in others they differ up to sixteen times.
        least, range_of_steps = float(rng.uniform(-1.7, -1.0)), float(rng.choice([0.1, 0.1, 1.2]))
        for member in range(int(rng.integers(2, 2 * size))):
            parent = first + int(member * rng.random() ** (1 / spread)) if member else -1
            parent = min(parent, len(nodes) - 1)
            weights = (
                root(rng)
                if parent < 0
                else stepped(made[parent], rng, 10 ** (least + range_of_steps * rng.random()), share)
            )
            node = Node(
                f"iso{seed}/f{family}-{member}", "root" if parent < 0 else "finetune", f"f{family}", 0,
                parents=[] if parent < 0 else [parent],
                depth=0 if parent < 0 else nodes[parent].depth + 1,
            )  # fmt: skip
            node.made_at = (nodes[parent].made_at if parent >= 0 else 0.0) + float(rng.exponential(12)) + 0.01
            stated = node.made_at if rng.random() > 0.05 else float(rng.uniform(0, 300))
            node.created_at = (start + timedelta(days=stated)).strftime("%Y-%m-%dT%H:%M:%S.000Z")
            folder = out / node.id
            folder.mkdir(parents=True)
            (folder / "config.json").write_text(json.dumps({"model_type": "llama", "num_attention_heads": 4}))
            save_file(weights, folder / "model.safetensors")
            nodes.append(node)
            made.append(weights)
    write_truth(out, nodes, [{} for _ in nodes], {"scenario": "isotropic"}, ACCEPT)


def main() -> None:
    """Make one zoo."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.zoo.isotropic", description=__doc__)
    parser.add_argument("out", type=Path)
    parser.add_argument("--seed", type=int, required=True)
    parser.add_argument("--families", type=int, default=6)
    parser.add_argument("--size", type=int, default=12)
    options = parser.parse_args()
    make(options.out, options.seed, options.families, options.size)


if __name__ == "__main__":
    main()
