"""All that completion learns from: the graph, words of cards, and what a sentence model made of them."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np

from atlas_db.columnar.graph import Column, Graph
from atlas_db.columnar.read import category_column, read_graph
from atlas_db.store.bolt import Store
from gnn.dataset.card_embeddings import embedding_tokens
from gnn.dataset.card_text import card_tokens
from gnn.dataset.tasks import CARD, SENTENCES, TASKS, Task
from ingest.hub.card_store import FOLDER, newest_cards

SHARED = 5
"""Cards that share a word, below which it tells nothing of others."""


def assemble_graph(store: Store, home: Path, tasks: list[Task]) -> Graph:
    """Read whatever there is to learn from: the graph, and the cards of its models.

    Args:
        store: The store.
        home: Home folder, where cards lie.
        tasks: What is to be completed; for `datasets` it is also read which there are.

    Raises:
        EmptyStoreError: The store holds no models.
    """
    graph = read_graph(store, datasets=TASKS["datasets"] in tasks)
    model, points = embedding_tokens(home)
    words: dict[str, tuple[str, ...]] = {}
    about: dict[str, list[str]] = {}
    for name, card in newest_cards(home / FOLDER, graph.ids):
        words[name] = tuple(card_tokens(card))
        about[name] = points(card)
    columns = dict(graph.columns)
    if words:
        uses = Counter(word for each in words.values() for word in each)
        shared = {name: [word for word in each if uses[word] >= SHARED] for name, each in words.items()}
        columns[CARD] = _column(graph, shared)
    if any(about.values()):
        columns[SENTENCES + model] = _column(graph, about)
    return replace(graph, columns=columns)


def _column(graph: Graph, said: dict[str, list[str]]) -> Column:
    pairs = [(row, word) for row, name in enumerate(graph.ids) for word in said.get(name, ())]
    return category_column(len(graph), np.array([row for row, _ in pairs], np.int64), [word for _, word in pairs])
