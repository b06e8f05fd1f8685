"""`python -m benchmarks.zoo.tools OUT --seed 1 [--architecture llama]... [--size 40]`: families by real tools.

Each architecture gets a folder of its own, `OUT/ARCHITECTURE-SEED`. What is there is not made again.
"""

from __future__ import annotations

import argparse
import os
import time
from pathlib import Path

from benchmarks.zoo.tools.draws import ARCHITECTURES, KINDS, allowed, draw_family


def main() -> None:
    """Make one family an architecture."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.zoo.tools", description=__doc__)
    parser.add_argument("out", type=Path)
    parser.add_argument("--seed", type=int, required=True)
    parser.add_argument("--architecture", choices=ARCHITECTURES, action="append", help="all where none is given")
    parser.add_argument("--size", type=int, default=0, help="models of a family; by architecture where not given")
    parser.add_argument(
        "--kind", choices=(*KINDS, "every"), action="append", default=[], help="make one of it at least"
    )
    options = parser.parse_args()
    os.environ["HF_HUB_OFFLINE"] = "1"  # PEFT would look up bases whose ids are made up
    from benchmarks.zoo.tools.family import make_family  # after the arguments are read: it imports every tool

    for architecture in options.architecture or ARCHITECTURES:
        kinds = allowed(architecture) if "every" in options.kind else options.kind
        kinds = [kind for kind in kinds if kind in allowed(architecture)]
        plan = draw_family(architecture, options.seed, size=options.size, kinds=kinds)
        print(f"{architecture}: {len(plan.nodes)} models, width {plan.width}, {plan.layers} layers", flush=True)
        start = time.monotonic()

        def show(text: str, since: float = start) -> None:
            print(f"{time.monotonic() - since:7.1f} s  {text}", flush=True)

        make_family(plan, options.out / f"{architecture}-{options.seed}", show)


if __name__ == "__main__":
    main()
