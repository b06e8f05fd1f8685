"""Reads the model graph out of a store, column by column, through Arrow."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from atlas_db.columnar.arrow_columns import edge_columns, node_columns
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
from atlas_db.core.errors import CompletionError
from atlas_db.core.terms import Source, Status
from atlas_db.store.bolt import Store
from atlas_db.store.contents import empty_store_error

_MODEL_PROPERTIES = (
    "id",
    "placeholder",
    "created_at",
    "downloads",
    "likes",
    "tags",
    "behaviour_cluster",
    *SINGLE_VALUED,
)
_DATASET_PROPERTIES = ("id", "created_at", "placeholder")
_EDGE_PROPERTIES = ("relation", "confidence", "status", "active", "sources")


def read_graph(store: Store, extra_properties: Sequence[str] = (), *, datasets: bool = False) -> Graph:
    """Read all models of a store with their declared values and active lineage.

    Args:
        store: The store.
        extra_properties: Further properties of models to read.
        datasets: Whether to read the datasets that the Hub lists.

    Raises:
        EmptyStoreError: The store holds no models.
        CompletionError: An edge leads to a node that is not among the models.
    """
    names = (*_MODEL_PROPERTIES, *extra_properties)
    with ThreadPoolExecutor(2) as readers:
        # The engine computes one answer while another is decoded here.
        reading = readers.submit(node_columns, store, "Model", names)
        claims = {
            name: readers.submit(edge_columns, store, rel, "Model", label, ("source", "valid_to"))
            for name, (rel, label) in MULTI_VALUED.items()
        }
        lineage = readers.submit(edge_columns, store, "DERIVED_FROM", "Model", "Model", _EDGE_PROPERTIES)
        listed = readers.submit(node_columns, store, "Dataset", _DATASET_PROPERTIES) if datasets else None
    models = reading.result().sort_by("id").combine_chunks()
    if not len(models):
        raise empty_store_error(store.name)
    properties = {name: models[name].combine_chunks() for name in names}
    ids = properties["id"]
    columns = {name: _single_valued(properties[name]) for name in SINGLE_VALUED}
    tags = properties["tags"]
    columns["tags"] = category_column(len(ids), pc.list_parent_indices(tags).to_numpy(), pc.list_flatten(tags))
    declarations = {name: _current_declarations(edges.result()) for name, edges in claims.items()}
    active = _active_edges(lineage.result())
    ends = [active["start"], active["end"]]
    *claim_rows, child, parent = positions_in(ids, [*(edges["start"] for edges in declarations.values()), *ends])
    for (name, edges), rows in zip(declarations.items(), claim_rows, strict=True):
        columns[name] = category_column(len(ids), rows, edges["end"].combine_chunks())
    authors, author = encode_categories(_owners(ids))
    parents, relations, confidence, declared, inferred = _parents(len(ids), active, child, parent)
    return Graph(
        ids.to_pylist(),
        properties["placeholder"].fill_null(False).to_numpy(zero_copy_only=False),
        _days(properties["created_at"]),
        properties["downloads"].fill_null(0).to_numpy(),
        properties["likes"].fill_null(0).to_numpy(),
        authors,
        author,
        _single_valued(properties["behaviour_cluster"]).codes.first,
        columns,
        ListedDatasets([], np.empty(0)) if listed is None else _listed(listed.result()),
        parents,
        relations,
        confidence,
        declared,
        inferred,
        {name: properties[name].to_pylist() for name in extra_properties},
    )


def category_column(models: int, rows: Integers, values: pa.Array | Sequence[str]) -> Column:
    """Return values as a column: each model's unique codes in ascending order of the categories.

    Args:
        models: Number of models.
        rows: Model of each value, in any order, shape (values,).
        values: Values, shape (values,).
    """
    names, codes = encode_categories(pa.array(values, pa.string()))
    size = max(len(names), 1)
    keys = unique_sorted(np.asarray(rows, np.int64) * size + codes)
    return Column(names, csr_lists(models, keys // size, keys % size))


def encode_categories(values: pa.Array) -> tuple[list[str], Integers]:
    """Return the unique values in ascending order, and the index of each value among them, -1 for null."""
    encoded = values.dictionary_encode()
    order = pc.sort_indices(encoded.dictionary)
    code_of = np.full(len(order) + 1, -1, np.int64)
    code_of[order.to_numpy()] = np.arange(len(order))
    return encoded.dictionary.take(order).to_pylist(), code_of[encoded.indices.fill_null(-1).to_numpy()]


def _single_valued(values: pa.Array) -> Column:
    """Return a property as a column; an empty string counts as missing."""
    rows = np.flatnonzero(pc.not_equal(values, "").fill_null(False).to_numpy(zero_copy_only=False))
    return category_column(len(values), rows, values.take(pa.array(rows)))


def _current_declarations(claims: pa.Table) -> pa.Table:
    """Return the claims that authors declare and that are valid now."""
    return claims.filter(pc.and_(pc.equal(claims["source"], Source.DECLARED), pc.is_null(claims["valid_to"])))


def _active_edges(lineage: pa.Table) -> pa.Table:
    """Return the active edges, without those that earlier runs predicted."""
    predicted = pc.equal(lineage["status"], Status.PREDICTED)
    return lineage.filter(pc.and_not(lineage["active"].fill_null(False), predicted))


def positions_in(ids: pa.Array, columns: Sequence[pa.ChunkedArray]) -> list[Integers]:
    """Return the index of each name among the ids, one array a column; all columns share one lookup.

    Args:
        ids: Unique ids.
        columns: Names to look up.

    Raises:
        CompletionError: A name is not among the ids.
    """
    found = pc.index_in(
        pa.chunked_array([part for each in columns for part in each.chunks], pa.string()), value_set=ids
    )
    if found.null_count:
        raise CompletionError("an edge leads outside of the models", hint="This is a bug: please report it")
    return np.split(np.asarray(found.to_numpy(), np.int64), np.cumsum([len(each) for each in columns])[:-1])


def _owners(ids: pa.Array) -> pa.Array:
    """Return the owner of each id, the part before the first slash, null where there is none."""
    return pc.if_else(pc.match_substring_regex(ids, "^[^/]+/"), pc.replace_substring_regex(ids, "/.*", ""), None)


def _days(dates: pa.Array) -> Doubles:
    """Return dates as days since 1970, shape (len(dates),); null becomes `HUB_FIRST_DATE`."""
    stamps = dates.fill_null(HUB_FIRST_DATE).cast(pa.timestamp("us", "UTC")).cast(pa.int64())
    return np.asarray(stamps.to_numpy() / 1e6 / 86400, np.float64)


def _listed(datasets: pa.Table) -> ListedDatasets:
    """Return the datasets with a record of their own, in ascending order of ids."""
    recorded = datasets.filter(pc.invert(datasets["placeholder"].fill_null(False))).sort_by("id").combine_chunks()
    return ListedDatasets(recorded["id"].to_pylist(), _days(recorded["created_at"]))


def _parents(
    models: int, lineage: pa.Table, child: Integers, parent: Integers
) -> tuple[CsrLists, Integers, Floats, Flags, Flags]:
    """Return the parents of each model, and each edge's relation, confidence, declared flag and inferred flag."""
    kinds = pa.array([relation.value for relation in RELATIONS])
    relation = np.asarray(pc.index_in(lineage["relation"], value_set=kinds).to_numpy(), np.int64)
    confidence = lineage["confidence"].to_numpy()
    order = np.lexsort((relation, parent, -confidence, child))
    sources = lineage["sources"].combine_chunks()
    declared, inferred = (lists_containing(sources, source)[order] for source in (Source.DECLARED, Source.INFERRED))
    edges = csr_lists(models, child[order], parent[order])
    return edges, relation[order], confidence[order].astype(np.float32), declared, inferred


def lists_containing(lists: pa.Array, value: str) -> Flags:
    """Return which lists contain a value, shape (len(lists),)."""
    out = np.zeros(len(lists), bool)
    out[pc.list_parent_indices(lists).filter(pc.equal(pc.list_flatten(lists), value)).to_numpy()] = True
    return out
