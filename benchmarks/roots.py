"""How often the declared root of a family is the one that most orders of growth start from (`tree.rooting`).

    uv run python -m benchmarks.roots [--store local]

The store holds a loaded list. A tree consists of the declared edges of models with one parent. The log-odds of each
model against the root are what `rooting.candidates` adds to the direction of the steps. They are its side over the
others, edge by edge. Prints two numbers by number of models. The first is in how many trees no model is likelier than
the root. The second is the mean probability that the counts alone give to it.
"""

from __future__ import annotations

import argparse
import sys
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise

import numpy as np

from atlas_db.core.settings import load_settings
from atlas_db.licenses.audit_graph import read_audit_graph
from atlas_db.store.connect import open_store

SIZES = (4, 10, 30, 100, 1_000_000)


def trees(children: Mapping[int, Sequence[int]]) -> Iterator[list[int]]:
    """Yield the models of each tree, the root first and parents before children."""
    below = {child for found in children.values() for child in found}
    for root in children.keys() - below:
        order = [root]
        for model in order:
            order += children.get(model, ())
        yield order


def odds(order: Sequence[int], children: Mapping[int, Sequence[int]]) -> list[float]:
    """Return log-odds of each model of a tree being the root against the one that is declared, in order."""
    sizes = dict.fromkeys(order, 1)
    for model in reversed(order):
        sizes[model] += sum(sizes[child] for child in children.get(model, ()))
    found = {order[0]: 0.0}
    for model in order:
        for child in children.get(model, ()):
            found[child] = found[model] + float(np.log(sizes[child] / (len(order) - sizes[child])))
    return [found[model] for model in order]


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--store", default="local")
    with open_store(load_settings(store=parser.parse_args().store)) as store:
        parents = read_audit_graph(store).parents
    children: dict[int, list[int]] = defaultdict(list)
    for child, edges in parents.items():
        if len(edges) == 1:
            children[edges[0].parent].append(child)
    by_size: dict[int, list[tuple[bool, float]]] = defaultdict(list)
    for order in trees(children):
        against = odds(order, children)
        least = max((size for size in SIZES if size <= len(order)), default=0)
        by_size[least].append((max(against) <= 0, 1 / float(np.exp(against).sum())))
    for least, most in pairwise(SIZES):
        likeliest, given = np.array(by_size[least], float).T
        sys.stdout.write(
            f"{least:4} to {most - 1:7,} models: {len(given):5,} trees, root likeliest in {likeliest.mean():.3f}"
        )
        sys.stdout.write(f", its mean probability {given.mean():.2f}\n")


if __name__ == "__main__":
    main()
