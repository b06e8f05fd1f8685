"""Reads the graph that completion learns from out of a store: columns at once, through Arrow."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from atlas_db.columnar.graph import (
    HUB_FIRST_DATE,
    MULTI_VALUED,
    RELATIONS,
    SINGLE_VALUED,
    Column,
    Graph,
    ListedDatasets,
)
from atlas_db.core.arrays import CsrLists, Doubles, Flags, Floats, Integers, csr_lists, unique_sorted
from atlas_db.core.errors import CompletionError, EmptyStoreError
from atlas_db.core.terms import Source, Status
from atlas_db.store.arrow import edge_columns, node_columns
from atlas_db.store.bolt import Store

_PLAIN = ("id", "placeholder", "created_at", "downloads", "likes", "tags", "weights_behaviour", *SINGLE_VALUED)
_DATASET = ("id", "created_at", "placeholder")
_LINEAGE = ("relation", "confidence", "status", "followed", "sources")


def read_graph(store: Store, extra_properties: Sequence[str] = (), *, datasets: bool = False) -> Graph:
    """Read all models of a store with their declared values and followed lineage.

    Args:
        store: The store.
        extra_properties: Further properties of models to read.
        datasets: Whether to read which datasets there are.

    Raises:
        EmptyStoreError: The store holds no models.
        CompletionError: An edge leads outside of them.
    """
    names = (*_PLAIN, *extra_properties)
    with ThreadPoolExecutor(2) as readers:
        # The engine looks for one answer while another is decoded here.
        reading = readers.submit(node_columns, store, "Model", names)
        claims = {
            name: readers.submit(edge_columns, store, rel, "Model", label, ("source", "ended"))
            for name, (rel, label) in MULTI_VALUED.items()
        }
        lineage = readers.submit(edge_columns, store, "DERIVED_FROM", "Model", "Model", _LINEAGE)
        listed = readers.submit(node_columns, store, "Dataset", _DATASET) if datasets else None
    models = reading.result().sort_by("id").combine_chunks()
    if not len(models):
        raise EmptyStoreError("the store holds no models", hint="Load some first: atlas-db load models.jsonl.zst")
    held = {name: models[name].combine_chunks() for name in names}
    ids = held["id"]
    columns = {name: _single(held[name]) for name in SINGLE_VALUED}
    tags = held["tags"]
    columns["tags"] = category_column(len(ids), pc.list_parent_indices(tags).to_numpy(), pc.list_flatten(tags))
    live = {name: _live(edges.result()) for name, edges in claims.items()}
    followed = _followed(lineage.result())
    ends = [followed["start"], followed["end"]]
    *stating, child, parent = positions_in(ids, [*(edges["start"] for edges in live.values()), *ends])
    for (name, edges), rows in zip(live.items(), stating, strict=True):
        columns[name] = category_column(len(ids), rows, edges["end"].combine_chunks())
    authors, author = _coded(_owners(ids))
    parents, relations, sure, declared, witnessed = _parents(len(ids), followed, child, parent)
    return Graph(
        ids.to_pylist(),
        held["placeholder"].fill_null(False).to_numpy(zero_copy_only=False),
        _days(held["created_at"]),
        held["downloads"].fill_null(0).to_numpy(),
        held["likes"].fill_null(0).to_numpy(),
        authors,
        author,
        _single(held["weights_behaviour"]).codes.first,
        columns,
        ListedDatasets([], np.empty(0)) if listed is None else _listed(listed.result()),
        parents,
        relations,
        sure,
        declared,
        witnessed,
        {name: held[name].to_pylist() for name in extra_properties},
    )


def category_column(models: int, rows: Integers, values: pa.Array | Sequence[str]) -> Column:
    """Return values as indices, each model's in ascending order of their names and once.

    Args:
        models: Number of models.
        rows: Model of each value, in any order, shape (values,).
        values: What it says.
    """
    names, codes = _coded(pa.array(values, pa.string()))
    size = max(len(names), 1)
    keys = unique_sorted(np.asarray(rows, np.int64) * size + codes)
    return Column(names, csr_lists(models, keys // size, keys % size))


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
    return category_column(len(values), rows, values.take(pa.array(rows)))


def _live(claims: pa.Table) -> pa.Table:
    """Return what authors declare today."""
    return claims.filter(pc.and_(pc.equal(claims["source"], Source.DECLARED), pc.is_null(claims["ended"])))


def _followed(lineage: pa.Table) -> pa.Table:
    """Return the edges that are followed, without those that earlier runs predicted."""
    predicted = pc.equal(lineage["status"], Status.PREDICTED)
    return lineage.filter(pc.and_not(lineage["followed"].fill_null(False), predicted))


def positions_in(ids: pa.Array, columns: Sequence[pa.ChunkedArray]) -> list[Integers]:
    """Return where the names in some columns stand among ids, which are looked at once for all of them.

    Raises:
        CompletionError: One is not among them.
    """
    found = pc.index_in(
        pa.chunked_array([part for each in columns for part in each.chunks], pa.string()), value_set=ids
    )
    if found.null_count:
        raise CompletionError("an edge leads outside of the models", hint="This is a bug: please report it")
    return np.split(np.asarray(found.to_numpy(), np.int64), np.cumsum([len(each) for each in columns])[:-1])


def _owners(ids: pa.Array) -> pa.Array:
    """Return what stands before the first slash of each id, null where nothing does."""
    return pc.if_else(pc.match_substring_regex(ids, "^[^/]+/"), pc.replace_substring_regex(ids, "/.*", ""), None)


def _days(dates: pa.Array) -> Doubles:
    """Return dates as days since 1970."""
    stamps = dates.fill_null(HUB_FIRST_DATE).cast(pa.timestamp("us", "UTC")).cast(pa.int64())
    return np.asarray(stamps.to_numpy() / 1e6 / 86400, np.float64)


def _listed(datasets: pa.Table) -> ListedDatasets:
    recorded = datasets.filter(pc.invert(datasets["placeholder"].fill_null(False))).sort_by("id").combine_chunks()
    return ListedDatasets(recorded["id"].to_pylist(), _days(recorded["created_at"]))


def _parents(
    models: int, lineage: pa.Table, child: Integers, parent: Integers
) -> tuple[CsrLists, Integers, Floats, Flags, Flags]:
    """Return the parents of each model, and of each edge its relation, confidence, and who speaks for it."""
    kinds = pa.array([relation.value for relation in RELATIONS])
    relation = np.asarray(pc.index_in(lineage["relation"], value_set=kinds).to_numpy(), np.int64)
    sure = lineage["confidence"].to_numpy()
    order = np.lexsort((relation, parent, -sure, child))
    sources = lineage["sources"].combine_chunks()
    declared, witnessed = (_holding(sources, source)[order] for source in (Source.DECLARED, Source.INFERRED))
    edges = csr_lists(models, child[order], parent[order])
    return edges, relation[order], sure[order].astype(np.float32), declared, witnessed


def _holding(lists: pa.Array, value: str) -> Flags:
    """Return which lists hold a value."""
    out = np.zeros(len(lists), bool)
    out[pc.list_parent_indices(lists).filter(pc.equal(pc.list_flatten(lists), value)).to_numpy()] = True
    return out
