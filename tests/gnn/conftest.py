"""Graphs of a made-up hub."""

from __future__ import annotations

from pathlib import Path

import pytest

from atlas_db.columnar.graph import Graph
from atlas_db.columnar.read import read_graph
from atlas_db.store.bolt import Store
from tests.support.graphs import load_rows
from tests.support.hubs import made_up, typed


@pytest.fixture
def graph(local_store: Store, tmp_path: Path) -> Graph:
    load_rows(local_store, tmp_path, made_up())
    return read_graph(local_store)


@pytest.fixture
def typed_graph(local_store: Store, tmp_path: Path) -> Graph:
    load_rows(local_store, tmp_path, typed())
    return read_graph(local_store)
