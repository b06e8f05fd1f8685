"""Models that a reader selected on the map, as a table with the columns and words of the page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from atlas_db.core.arrays import Bytes, Integers
from atlas_db.core.errors import UsageError
from atlas_db.dashboard.map.model_map import generations, read_records

MAX_SELECTED = 100_000
"""Models of one table, at most."""
POSITION_BYTES = 4
COLUMNS = ("relation", "status", "license", "verdict", "task", "downloads", "month")
"""Layers of the map whose words are columns, after the model and its parent."""


def decode_positions(body: bytes, models: int) -> Integers:
    """Return the positions in map order that a page sends, little-endian uint32, shape (n,).

    Args:
        body: Bytes of the request.
        models: Models on the map.

    Raises:
        UsageError: There are too many or none, or one is not on the map.
    """
    if not body or len(body) % POSITION_BYTES or len(body) > MAX_SELECTED * POSITION_BYTES:
        raise UsageError(
            f"a selection is 1 to {MAX_SELECTED:,} positions of four bytes", hint="Select a smaller area, or filter"
        )
    positions = np.frombuffer(body, "<u4").astype(np.int64)
    if int(positions.max()) >= models:
        raise UsageError("a position is not on the map", hint="Reload the page")
    return positions


def selected_models(
    folder: Path, layers: Sequence[Mapping[str, Any]], names: Sequence[str], positions: Integers
) -> pa.Table:
    """Return the models at some positions, in their order: name, parent, and a word of each layer in `COLUMNS`.

    Args:
        folder: Folder of the map.
        layers: Layers, as the map describes them.
        names: Model ids in map order.
        positions: Positions in map order, shape (n,).
    """
    records = read_records(folder)
    parents = nearest_above(generations(records))[positions]
    columns: dict[str, list[str]] = {
        "model": [names[at] for at in positions.tolist()],
        "parent": [names[at] if at >= 0 else "" for at in parents.tolist()],
    }
    described = {layer["name"]: layer for layer in layers}
    for name in COLUMNS:
        layer = described[name]
        codes = records[positions, layer["byte"]] >> layer["shift"] & layer["mask"]
        columns[name] = [layer["legend"][code]["word"] for code in codes.tolist()]
    return pa.table(columns, pa.schema([(name, pa.string()) for name in columns]))


def nearest_above(depth: Bytes) -> Integers:
    """Return the position of each model's parent in depth-first order, -1 for a root, shape (n,).

    Args:
        depth: Generation of each model, shape (n,).
    """
    parents = np.full(len(depth), -1, np.int64)
    above = np.flatnonzero(depth == 0)
    for generation in range(1, int(depth.max(initial=0)) + 1):
        here = np.flatnonzero(depth == generation)
        parents[here] = above[np.searchsorted(above, here) - 1]
        above = here
    return parents
