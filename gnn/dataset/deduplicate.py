"""Copied cards: one model put up again in another format, with the card of the first."""

from __future__ import annotations

import numpy as np

from atlas_db.columnar.graph import Graph
from atlas_db.core.arrays import Integers
from gnn.dataset.grouping_keys import combine_keys, set_keys

COPIED = ("license", "language", "datasets", "paper")
"""What a card says and a copy of it repeats; tags, task and library differ with the format."""


def deduplicate_cards(graph: Graph) -> Integers:
    """Return of each model the oldest with the same card, shape (n,); mostly itself.

    A copy says so in its name (`-GGUF`, `-4bit` …); without that the name is the other's, and both cards declare the
    same licence, languages, datasets and papers.
    """
    rows = np.arange(len(graph))
    cards = graph.name_keys.stem
    for said in COPIED:
        cards = combine_keys(cards, set_keys(graph.columns[said].codes) + 1)
    order = np.lexsort((rows, graph.created))
    _, first = np.unique(cards[order], return_index=True)
    return np.where(graph.name_keys.is_copy, order[first][cards], rows)
