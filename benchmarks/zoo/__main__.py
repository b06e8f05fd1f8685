"""`python -m benchmarks.zoo OUT --seed 1 [--families 3] [--size 40]`: make families of models with a known lineage."""

from __future__ import annotations

import argparse
from pathlib import Path

from benchmarks.zoo.make import make
from benchmarks.zoo.plan import draw


def main() -> None:
    """Make one zoo."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.zoo", description=__doc__)
    parser.add_argument("out", type=Path)
    parser.add_argument("--seed", type=int, required=True)
    parser.add_argument("--families", type=int, default=0)
    parser.add_argument("--size", type=int, default=0)
    options = parser.parse_args()
    plan = draw(options.seed, families=options.families, size=options.size)
    print(f"{len(plan.nodes)} models, width {plan.hidden}, {plan.layers} layers")
    make(plan, options.out, options.seed, lambda text: print(text, flush=True))


if __name__ == "__main__":
    main()
