"""Reads the graph that completion learns from out of a store: columns at once, through Arrow."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from atlas_db.errors import CompletionError, EmptyStoreError
from atlas_db.store.bolt import Store, uncollected
from atlas_db.store.statements import all_edges, all_nodes
from atlas_db.terms import Source, Status
from gnn.graph import (
    MANY,
    OLDEST,
    RELATIONS,
    SINGLE,
    Column,
    Doubles,
    Floats,
    Graph,
    Integers,
    Listed,
    Ragged,
    ragged,
)

_PLAIN = ("id", "placeholder", "created_at", "downloads", "likes", "tags", "weights_behaviour", *SINGLE)
_DATASET = ("id", "created_at", "placeholder")
_LINEAGE = ("relation", "confidence", "status", "followed", "sources")


@uncollected()
def read_graph(store: Store, more: Sequence[str] = (), *, datasets: bool = False) -> Graph:
    """Read all models of a store with their declared values and followed lineage.

    Args:
        store: The store.
        more: Further properties of models to read.
        datasets: Whether to read which datasets there are.

    Raises:
        EmptyStoreError: The store holds no models.
        CompletionError: An edge leads outside of them.
    """
    names = (*_PLAIN, *more)
    with ThreadPoolExecutor(2) as readers:
        # The engine looks for one answer while another is decoded here.
        models = readers.submit(store.pages, all_nodes("Model", names))
        claims = {
            name: readers.submit(store.pages, all_edges(rel, "Model", label, ("source", "ended")))
            for name, (rel, label) in MANY.items()
        }
        lineage = readers.submit(store.pages, all_edges("DERIVED_FROM", "Model", "Model", _LINEAGE))
        listed = readers.submit(store.pages, all_nodes("Dataset", _DATASET)) if datasets else None
    if not models.result():
        raise EmptyStoreError("the store holds no models", hint="Load some first: atlas-db load models.jsonl.zst")
    held = dict(zip(names, zip(*models.result(), strict=True), strict=True))
    ids = pa.array(held["id"], pa.string())
    order = pc.sort_indices(ids)
    ids = ids.take(order)
    arranged = order.to_numpy()

    def own(name: str, kind: pa.DataType) -> pa.Array:
        return pa.array(held[name], kind).take(order)

    columns = {name: _single(own(name, pa.string())) for name in SINGLE}
    tags = own("tags", pa.list_(pa.string()))
    columns["tags"] = column(len(ids), pc.list_parent_indices(tags).to_numpy(), pc.list_flatten(tags))
    columns |= {name: _claimed(ids, edges.result()) for name, edges in claims.items()}
    authors, author = _coded(pa.array([_owner(identifier) for identifier in ids.to_pylist()], pa.string()))
    parents, relations, sure, declared, witnessed = _parents(ids, lineage.result())
    return Graph(
        ids.to_pylist(),
        own("placeholder", pa.bool_()).fill_null(False).to_numpy(zero_copy_only=False),
        _days(own("created_at", pa.string())),
        own("downloads", pa.int64()).fill_null(0).to_numpy(),
        own("likes", pa.int64()).fill_null(0).to_numpy(),
        authors,
        author,
        _single(own("weights_behaviour", pa.string())).held.first,
        columns,
        _listed([] if listed is None else listed.result()),
        parents,
        relations,
        sure,
        declared,
        witnessed,
        {name: [held[name][at] for at in arranged] for name in more},
    )


def column(models: int, rows: Integers, values: pa.Array | Sequence[str]) -> Column:
    """Return values as indices, each model's in ascending order of their names and once.

    Args:
        models: Number of models.
        rows: Model of each value, in any order, shape (values,).
        values: What it says.
    """
    names, codes = _coded(pa.array(values, pa.string()))
    size = max(len(names), 1)
    keys = np.sort(np.asarray(rows, np.int64) * size + codes)
    keys = keys[np.diff(keys, prepend=-1) > 0]
    return Column(names, ragged(models, keys // size, keys % size))


def _coded(values: pa.Array) -> tuple[list[str], Integers]:
    """Return the different values in order, and the place of each among them, -1 for null."""
    encoded = values.dictionary_encode()
    order = pc.sort_indices(encoded.dictionary)
    place = np.full(len(order) + 1, -1, np.int64)
    place[order.to_numpy()] = np.arange(len(order))
    return encoded.dictionary.take(order).to_pylist(), place[encoded.indices.fill_null(-1).to_numpy()]


def _single(values: pa.Array) -> Column:
    """Return the values of a property; an empty text says nothing."""
    rows = np.flatnonzero(pc.not_equal(values, "").fill_null(False).to_numpy(zero_copy_only=False))
    return column(len(values), rows, values.take(pa.array(rows)))


def _claimed(ids: pa.Array, edges: Sequence[Sequence[Any]]) -> Column:
    """Return what authors declare today by claims of a type."""
    stated = [(model, value) for model, value, source, ended in edges if source == Source.DECLARED and ended is None]
    models, values = zip(*stated, strict=True) if stated else ((), ())
    return column(len(ids), _places(ids, models), values)


def _places(ids: pa.Array, names: Sequence[str]) -> Integers:
    """Return where names stand among ids.

    Raises:
        CompletionError: One is not among them.
    """
    found = pc.index_in(pa.array(names, pa.string()), value_set=ids)
    if found.null_count:
        raise CompletionError("an edge leads outside of the models", hint="This is a bug: please report it")
    return np.asarray(found.to_numpy(), np.int64)


def _owner(identifier: str) -> str | None:
    return identifier.partition("/")[0] or None if "/" in identifier else None


def _days(dates: pa.Array) -> Doubles:
    """Return dates as days since 1970."""
    stamps = dates.fill_null(OLDEST).cast(pa.timestamp("us", "UTC")).cast(pa.int64())
    return np.asarray(stamps.to_numpy() / 1e6 / 86400, np.float64)


def _listed(datasets: Sequence[Sequence[Any]]) -> Listed:
    rows = sorted((row for row in datasets if not row[2]), key=lambda row: str(row[0]))
    return Listed([row[0] for row in rows], _days(pa.array([row[1] for row in rows], pa.string())))


def _parents(
    ids: pa.Array, lineage: Sequence[Sequence[Any]]
) -> tuple[Ragged, Integers, Floats, npt.NDArray[np.bool_], npt.NDArray[np.bool_]]:
    kinds = {relation.value: index for index, relation in enumerate(RELATIONS)}
    kept = [row for row in lineage if row[5] and row[4] != Status.PREDICTED]
    child, parent = (_places(ids, [row[end] for row in kept]) for end in (0, 1))
    relation = np.array([kinds[row[2]] for row in kept], np.int64)
    sure = np.array([row[3] for row in kept], np.float64)
    order = np.lexsort((relation, parent, -sure, child))
    declared, witnessed = (
        np.array([source.value in (row[6] or ()) for row in kept], bool)[order]
        for source in (Source.DECLARED, Source.INFERRED)
    )
    edges = ragged(len(ids), child[order], parent[order])
    return edges, relation[order], sure[order].astype(np.float32), declared, witnessed
