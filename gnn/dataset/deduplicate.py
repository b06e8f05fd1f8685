"""Duplicate cards: one model uploaded again in another format, with the card of the first upload."""

from __future__ import annotations

import numpy as np

from atlas_db.columnar.graph import Graph
from atlas_db.core.arrays import Integers
from gnn.dataset.grouping_keys import combine_keys, set_keys

COPIED_ATTRIBUTES = ("license", "language", "datasets", "paper")
"""Attributes that a copy repeats from the card of its original; tags, task and library differ with the format."""


def deduplicate_cards(graph: Graph) -> Integers:
    """Return the oldest model with the same card for each model, mostly the model itself, shape (n,).

    A copy has a suffix of its format in its name (`-GGUF`, `-4bit` …). Without that suffix the two names are equal, and
    both cards declare the same license, languages, datasets and papers.
    """
    rows = np.arange(len(graph))
    card_key = graph.name_keys.stem
    for attribute in COPIED_ATTRIBUTES:
        card_key = combine_keys(card_key, set_keys(graph.columns[attribute].codes) + 1)
    order = np.lexsort((rows, graph.created))
    _, first = np.unique(card_key[order], return_index=True)
    return np.where(graph.name_keys.is_copy, order[first][card_key], rows)
