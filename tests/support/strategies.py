"""Strategies of hypothesis: names of models, declared values."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from hypothesis import strategies as st

from atlas_db.columnar.graph import Column
from atlas_db.columnar.read import category_column
from atlas_db.columnar.repository_names import name_tokens
from atlas_db.core.arrays import CsrLists, csr_lists


def csr_of(lists: list[list[int]]) -> CsrLists:
    rows = np.repeat(np.arange(len(lists)), [len(each) for each in lists])
    return csr_lists(len(lists), rows, np.array([value for each in lists for value in each], np.int64))


@st.composite
def declared(draw: st.DrawFn) -> tuple[Column, np.ndarray, np.ndarray]:
    """Some models with values, dates (some equal) and groups."""
    n = draw(st.integers(1, 25))
    held = [(row, draw(st.sampled_from("abc"))) for row in range(n) for _ in range(draw(st.integers(0, 2)))]
    created = np.array(draw(st.lists(st.integers(0, 200), min_size=n, max_size=n)), float)
    group = np.array(draw(st.lists(st.integers(-1, 3), min_size=n, max_size=n)))
    return category_column(n, np.array([row for row, _ in held], int), [value for _, value in held]), created, group


NAMES = st.lists(
    st.lists(st.sampled_from(("tern", "heron", "7b", "chat", "v", "2", "q4")), max_size=4).map("-".join),
    min_size=1, max_size=12,
)  # fmt: skip


def token_set(name: str) -> set[str]:
    parts = name_tokens(name)
    return {*parts, *(f"{a} {b}" for a, b in pairwise(parts))}
