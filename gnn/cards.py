"""What model cards say: words of their text, benchmark results; from the files that `load` keeps beside the graph."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np

from atlas_db.store.bolt import Store
from gnn.graph import Graph
from gnn.reading import column, read_graph
from gnn.tasks import TASKS, Task
from ingest.hub.card import split_card
from ingest.hub.cards import FOLDER, newest_cards

LONGEST = 6000
"""Characters of a card's text that are read: what it is about stands at the top."""
MOST = 256
"""Words, pairs of words and results kept of a card."""
SHARED = 5
"""Cards that share a word, below which it tells nothing of others."""
_WORD = re.compile(r"[a-z0-9][a-z0-9_+./-]*[a-z0-9]|[a-z]")
_LINK = re.compile(r"https?://\S+|<[^>]*>")
_RESULTS = re.compile(r"^model-index:[ \t]*\r?\n((?:[ \t-].*(?:\r?\n|\Z)|\r?\n)*)", re.MULTILINE)
_RESULT = re.compile(r"^[\s-]*(?:type|name|value):[ \t]*(.+?)[ \t]*\r?$", re.MULTILINE)


def read_all(store: Store, home: Path, tasks: list[Task]) -> Graph:
    """Read whatever there is to learn from: the graph, and the cards of its models.

    Args:
        store: The store.
        home: Home folder, where cards lie.
        tasks: What is to be completed; for `datasets` it is also read which there are.

    Raises:
        EmptyStoreError: The store holds no models.
    """
    graph = read_graph(store, datasets=TASKS["datasets"] in tasks)
    cards = {name: tuple(spoken(card)) for name, card in newest_cards(home / FOLDER, graph.ids)}
    if not cards:
        return graph
    said = {row: cards[name] for row, name in enumerate(graph.ids) if name in cards}
    uses = Counter(word for each in said.values() for word in each)
    kept = [(row, word) for row, each in said.items() for word in each if uses[word] >= SHARED]
    rows, words = np.array([row for row, _ in kept], np.int64), [word for _, word in kept]
    return replace(graph, columns={**graph.columns, "card": column(len(graph), rows, words)})


def spoken(card: str) -> Iterator[str]:
    """Yield the words, pairs of neighbouring words and results of a card, each once, from the top, at most `MOST`."""
    front, text = split_card(card)
    parts = _WORD.findall(_LINK.sub(" ", text[:LONGEST].lower()))
    every = [*_results(front), *parts, *(f"{a} {b}" for a, b in pairwise(parts))]
    yield from list(dict.fromkeys(every))[:MOST]


def _results(front: str) -> list[str]:
    """Return tasks, datasets and metrics of a `model-index`, and its values to one figure."""
    found = _RESULTS.search(front)
    if found is None:
        return []
    said = [value.strip("'\"").lower() for value in _RESULT.findall(found.group(1))]
    return [f"result {_rounded(value)}" for value in said]


def _rounded(value: str) -> str:
    try:
        return f"{float(value):.1g}"
    except ValueError:
        return value
