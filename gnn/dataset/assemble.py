"""Reads all that completion learns from: the graph, card tokens and card embeddings."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np

from atlas_db.cards.card_store import FOLDER, newest_cards
from atlas_db.columnar.graph import Column, Graph
from atlas_db.columnar.read import category_column, read_graph
from atlas_db.store.bolt import Store
from gnn.dataset.card_embeddings import embedding_tokens
from gnn.dataset.card_text import card_tokens
from gnn.dataset.tasks import CARD_COLUMN, EMBEDDING_COLUMN, TASKS, Task
from gnn.parameters.token_parameters import TOKEN


def assemble_graph(store: Store, home: Path, tasks: list[Task]) -> Graph:
    """Read the graph of a store, with the tokens and embeddings of its models' cards as further columns.

    Args:
        store: The store.
        home: Home folder, which holds the cards.
        tasks: Attributes to complete; for `datasets` the datasets that the Hub lists are read, too.

    Raises:
        EmptyStoreError: The store holds no models.
    """
    graph = read_graph(store, datasets=TASKS["datasets"] in tasks)
    model_digest, tokens_of_embedding = embedding_tokens(home)
    by_text: dict[str, tuple[str, ...]] = {}
    by_embedding: dict[str, list[str]] = {}
    for name, card in newest_cards(home / FOLDER, graph.ids):
        by_text[name] = tuple(card_tokens(card))
        by_embedding[name] = tokens_of_embedding(card)
    columns = dict(graph.columns)
    if by_text:
        cards_with = Counter(token for tokens in by_text.values() for token in tokens)
        shared = {
            name: [token for token in tokens if cards_with[token] >= TOKEN.min_cards]
            for name, tokens in by_text.items()
        }
        columns[CARD_COLUMN] = _token_column(graph, shared)
    if any(by_embedding.values()):
        columns[EMBEDDING_COLUMN + model_digest] = _token_column(graph, by_embedding)
    return replace(graph, columns=columns)


def _token_column(graph: Graph, tokens: dict[str, list[str]]) -> Column:
    pairs = [(row, token) for row, name in enumerate(graph.ids) for token in tokens.get(name, ())]
    return category_column(len(graph), np.array([row for row, _ in pairs], np.int64), [token for _, token in pairs])
