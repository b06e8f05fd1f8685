"""Top values (Laufer 2025, figure 2), growth by month (Horwitz 2025, figure 2), and coverage by source."""

from __future__ import annotations

import numpy as np
import pandas as pd

from atlas_db.analysis.frames import CLAIM_EDGES, UNKNOWN_DATE, AtlasFrames
from atlas_db.analysis.tables import AnalysisTable
from atlas_db.core.records import repository_path
from atlas_db.core.terms import RecordKind, Status

TOP = 10
_PLURAL = {
    "license": "licenses",
    "pipeline_tag": "tasks",
    "library_name": "libraries",
    "language": "languages",
    "datasets": "datasets",
    "paper": "papers",
}


def top_tables(atlas: AtlasFrames, *, top: int = TOP) -> list[AnalysisTable]:
    """Return the most frequent values of each attribute, and the most used and most downloaded models."""
    recorded = int(atlas.recorded.sum())
    found = []
    for attribute, plural in _PLURAL.items():
        names, held = atlas.graph.columns[attribute]
        numbers = np.bincount(held.values[atlas.recorded[held.rows]], minlength=len(names))
        best = np.lexsort((np.arange(len(names)), -numbers))[:top]
        kind = RecordKind.DATASET if attribute == "datasets" else RecordKind.MODEL
        values = [repository_path(names[at], kind) for at in best]
        frame = pd.DataFrame({attribute: values, "models": numbers[best]})
        frame["share"] = frame["models"] / recorded
        found.append(
            AnalysisTable(f"top_{plural}", f"Top {plural}", "Laufer 2025, figure 2: declared, share of all", frame)
        )
    edges = atlas.edges[atlas.edges["active"]]
    children = np.bincount(edges["parent"], minlength=len(atlas.graph))
    found.append(_top_models(atlas, "top_parents", "Models with most children", "children", children, top))
    found.append(_top_models(atlas, "top_models", "Most downloaded models", "downloads", atlas.graph.downloads, top))
    return found


def _top_models(
    atlas: AtlasFrames,
    name: str,
    title: str,
    column: str,
    numbers: np.ndarray[tuple[int], np.dtype[np.int64]],
    top: int,
) -> AnalysisTable:
    best = np.argsort(-numbers, kind="stable")[:top]
    frame = pd.DataFrame({"model": [atlas.graph.ids[row] for row in best], column: numbers[best]})
    return AnalysisTable(name, title, "Laufer 2025, figure 2", frame)


def growth(atlas: AtlasFrames) -> list[AnalysisTable]:
    """Return the number of new models by month, and of those that declare a parent, a licence, a task."""
    created = atlas.graph.created
    month = pd.to_datetime(created, unit="D").strftime("%Y-%m").to_numpy(object)
    month[created <= UNKNOWN_DATE] = "earlier"
    parents = atlas.graph.parents.counts > 0
    frame = pd.DataFrame(
        {
            "month": month,
            "models": 1,
            "with_parent": parents,
            "with_license": atlas.graph.columns["license"].codes.counts > 0,
            "with_task": atlas.graph.columns["pipeline_tag"].codes.counts > 0,
            "downloads": atlas.graph.downloads,
        }
    )[atlas.recorded]
    by_month = frame.groupby("month").sum().astype(np.int64)
    by_month = by_month.loc[sorted(by_month.index, key=lambda name: (name != "earlier", name))]
    by_month.insert(1, "total", by_month["models"].cumsum())
    return [
        AnalysisTable(
            "growth",
            "New models a month",
            "Horwitz 2025, figure 2: by date of creation; `earlier`: without a date (before March 2022)",
            by_month.reset_index(),
        )
    ]


def coverage(atlas: AtlasFrames) -> list[AnalysisTable]:
    """Return how many models have a declared, inferred, predicted or unknown value, one row an attribute."""
    models = int(atlas.recorded.sum())
    rows = []
    for attribute in CLAIM_EDGES:
        held = (atlas.graph.columns[attribute].codes.counts > 0) & atlas.recorded
        guessed = np.unique(atlas.predicted[attribute]["model"].to_numpy(np.int64))
        predicted = int((~held[guessed]).sum())
        rows.append((attribute, int(held.sum()), 0, predicted, models - int(held.sum()) - predicted))
    best = np.full(len(atlas.graph), len(_RANKS), np.int64)
    np.minimum.at(best, atlas.edges["child"], atlas.edges["status"].map(_RANKS).to_numpy(np.int64))
    number = np.bincount(best[atlas.recorded], minlength=len(_RANKS) + 1)
    declared = int(number[0] + number[1])
    rows.append(("parent", declared, int(number[2]), int(number[3]), models - declared - int(number[2] + number[3])))
    frame = pd.DataFrame(rows, columns=["attribute", "declared", "inferred", "predicted", "unknown"])
    frame["declared_share"] = frame["declared"] / max(models, 1)
    frame["not_in_atlas"] = len(atlas.graph) - models
    return [
        AnalysisTable(
            "coverage",
            "Coverage: models by source of each attribute",
            "Models with a record, each counted under its most reliable source; a contradicted edge counts as unknown. "
            "not_in_atlas: models without a record that others name or a chart knows, whose value is not known here",
            frame,
        ),
        AnalysisTable(
            "edges",
            "Edges of lineage",
            "By relation and status",
            atlas.edges.groupby(["relation", "status"], as_index=False)
            .agg(edges=("child", "size"), mean_confidence=("confidence", "mean"))
            .sort_values("edges", ascending=False, ignore_index=True),
        ),
    ]


_RANKS = {
    Status.VERIFIED.value: 0,
    Status.DECLARED.value: 1,
    Status.UNDECLARED.value: 2,
    Status.PREDICTED.value: 3,
    Status.CONTRADICTED.value: 4,
}
