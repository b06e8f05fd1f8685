"""Models, edges and predictions of a store as columns and data frames: the input of the analysis."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from scipy import sparse

from atlas_db.analysis.forest import Forest, build_forest
from atlas_db.cards.card_store import FOLDER, newest_cards
from atlas_db.claims.runs import list_runs
from atlas_db.columnar.arrow_columns import edge_columns
from atlas_db.columnar.graph import HUB_FIRST_DATE, MULTI_VALUED, Graph, days_since_epoch
from atlas_db.columnar.read import positions_in, read_graph
from atlas_db.core.arrays import Doubles, Flags, Integers
from atlas_db.core.terms import Progress, RunKind, Source, Status
from atlas_db.store.bolt import Store

CLAIM_EDGES = {
    "license": ("HAS_LICENSE", "License"),
    "pipeline_tag": ("HAS_TASK", "Task"),
    "library_name": ("USES_LIBRARY", "Library"),
    "model_type": ("HAS_ARCHITECTURE", "Architecture"),
    **MULTI_VALUED,
}
"""Attribute, as the Hub spells it, to relationship type and node label of its claims."""
UNKNOWN_DATE = days_since_epoch(HUB_FIRST_DATE)


@dataclass(frozen=True, slots=True)
class AtlasFrames:
    """Contents of a store at one time.

    Attributes:
        graph: Models in the order of their ids, with declared values and active lineage.
        edges: One row an edge of lineage: `child`, `parent` (rows of models), `relation`, `confidence`, `status`,
            `active`. Contradicted and predicted edges are included.
        forest: Each model under its most probable active parent; siblings in order of date, then id.
        predicted: Predicted claims by attribute: frames with `model` (row), `value`, `confidence`.
        cards: Folder of card files.
    """

    graph: Graph
    edges: pd.DataFrame
    forest: Forest
    predicted: dict[str, pd.DataFrame]
    cards: Path | None = None

    @property
    def recorded(self) -> Flags:
        """True for models with a record, False for placeholders, shape (n,)."""
        return ~self.graph.placeholder

    @property
    def declared(self) -> pd.DataFrame:
        """Active edges that are declared: status declared or verified."""
        return self.edges[self.edges["active"] & self.edges["status"].isin([Status.DECLARED, Status.VERIFIED])]

    @property
    def pairs(self) -> pd.DataFrame:
        """Declared edges between two models with a record."""
        edges, recorded = self.declared, self.recorded
        return edges[recorded[edges["child"]] & recorded[edges["parent"]]]

    @property
    def partly_unseen(self) -> pd.DataFrame:
        """Declared edges of which one end has no record, so that its traits are not known."""
        edges, recorded = self.declared, self.recorded
        return edges[~(recorded[edges["child"]] & recorded[edges["parent"]])]

    def first(self, attribute: str) -> npt.NDArray[np.object_]:
        """Return the first declared value of each model, None where it has none, shape (n,)."""
        names, held = self.graph.columns[attribute]
        return np.array([*names, None], object)[held.first]

    def matrix(self, attribute: str) -> sparse.csr_array:
        """Return declared values as indicators, shape (n, values)."""
        names, held = self.graph.columns[attribute]
        ones = np.ones(len(held.values), np.float32)
        return sparse.csr_array((ones, held.values, held.indptr), shape=(len(self.graph), len(names)))

    def card_texts(self, rows: Integers) -> dict[int, str]:
        """Return the newest loaded card of some models, without front matter, by row."""
        if self.cards is None:
            return {}
        found = dict(newest_cards(self.cards, (self.graph.ids[row] for row in rows)))
        return {int(row): found[self.graph.ids[row]] for row in rows if self.graph.ids[row] in found}


def read_frames(store: Store, home: Path | None = None, progress: Progress = lambda *_: None) -> AtlasFrames:
    """Read models, lineage and predictions of a store.

    Args:
        store: The store.
        home: Home folder, with the cards; without it, there are none.
        progress: Called with stage, done and total.

    Raises:
        EmptyStoreError: The store holds no models.
    """
    progress("reading models", 0, 3)
    graph = read_graph(store, ("card_length", "card_template", "audit_verdict", "weights_hash"))
    ids = pa.array(graph.ids, pa.string())
    progress("reading lineage", 1, 3)
    lineage = edge_columns(store, "DERIVED_FROM", "Model", "Model", ("relation", "confidence", "status", "active"))
    child, parent = positions_in(ids, [lineage["start"], lineage["end"]])
    edges = lineage.drop_columns(["start", "end"]).to_pandas()
    edges = edges.assign(child=child, parent=parent)[["child", "parent", *edges.columns]]
    edges = edges.sort_values([*edges.columns], ignore_index=True)
    progress("reading predictions", 2, 3)
    # To find that nothing is predicted, every model would be read once an attribute.
    completed = any(run["kind"] == RunKind.COMPLETION for run in list_runs(store))
    predicted = {
        attribute: _predicted(store, ids, rel, label) if completed else _NO_PREDICTIONS.copy()
        for attribute, (rel, label) in CLAIM_EDGES.items()
    }
    progress("reading predictions", 3, 3)
    return AtlasFrames(graph, edges, _forest(graph), predicted, None if home is None else home / FOLDER)


def months_of(created: Doubles) -> npt.NDArray[np.datetime64]:
    """Return months of creation, not-a-time where the Hub does not know the date, shape (n,).

    Args:
        created: Days since 1970, shape (n,).
    """
    known = np.isfinite(created) & (created > UNKNOWN_DATE)
    months = np.where(known, created, 0).astype("datetime64[D]").astype("datetime64[M]")
    months[~known] = np.datetime64("NaT")
    return months


_NO_PREDICTIONS = pd.DataFrame(
    {"model": np.empty(0, np.int64), "value": np.empty(0, object), "confidence": np.empty(0, np.float64)}
)


def _predicted(store: Store, ids: pa.Array, rel: str, label: str) -> pd.DataFrame:
    claims = edge_columns(store, rel, "Model", label, ("confidence", "valid_to"), source=Source.PREDICTED.value)
    live = claims.filter(pc.is_null(claims["valid_to"]))
    (model,) = positions_in(ids, [live["start"]])
    frame = pd.DataFrame({"model": model, "value": live["end"].to_pandas(), "confidence": live["confidence"]})
    return frame.sort_values([*frame.columns], ignore_index=True)


def _forest(graph: Graph) -> Forest:
    order = np.lexsort((np.arange(len(graph)), graph.created))
    rank = np.empty_like(order)
    rank[order] = np.arange(len(order))
    return build_forest(graph.parents.first, rank)
