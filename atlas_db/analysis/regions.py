"""Regions of the atlas (Horwitz 2025): tasks, base models, hubs, fans and snakes, depth, relations by popularity."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pandas as pd

from atlas_db.analysis.frames import AtlasFrames
from atlas_db.analysis.groupings import MODALITY
from atlas_db.analysis.tables import AnalysisTable
from atlas_db.core.arrays import Integers
from atlas_db.core.terms import Relation

HUB_CHILDREN = 100
"""Children of a hub, at least."""
FAN_CHILDREN = 10
"""Children of a fan, at least; nine in ten of them are leaves."""
SNAKE_STEPS = 3
"""Steps of a snake, at least: a chain of models with one parent and one child each."""
POPULAR_SHARE = 0.01


def regions(atlas: AtlasFrames, *, top: int = 20) -> list[AnalysisTable]:
    """Return the tables of the meta-analysis."""
    return [
        AnalysisTable(
            "task_regions",
            "Regions by task",
            "Horwitz 2025, section 3: models, downloads and share with relatives, by task",
            _by(atlas, atlas.first("pipeline_tag"), "task", top),
        ),
        AnalysisTable(
            "modalities",
            "Depth by modality",
            "Horwitz 2025, figure 3: generations of linked models, by modality of the task declared",
            _modalities(atlas),
        ),
        AnalysisTable(
            "base_regions",
            "Regions by base model",
            "Horwitz 2025, section 3: families by share of linked models",
            _bases(atlas, top),
        ),
        AnalysisTable("hubs", "Hubs", "Horwitz 2025: models with the most children, by relation", _hubs(atlas, top)),
        AnalysisTable(
            "shapes",
            "Hubs, fans and snakes",
            f"Horwitz 2025: a hub has {HUB_CHILDREN} children or more; a fan {FAN_CHILDREN} or more, nine in ten "
            f"of them leaves; a snake is a line of {SNAKE_STEPS} steps or more, one child each",
            _shapes(atlas),
        ),
        AnalysisTable(
            "popular",
            "Children of popular models by relation",
            "Children by relation, of the 1 % most downloaded models and of the others",
            _popular(atlas),
        ),
    ]


def _by(atlas: AtlasFrames, values: npt.NDArray[np.object_], name: str, top: int) -> pd.DataFrame:
    forest = atlas.forest
    frame = pd.DataFrame(
        {
            name: values,
            "models": 1,
            "downloads": atlas.graph.downloads,
            "linked": forest.linked,
        }
    )[atlas.recorded]
    frame[name] = frame[name].fillna("none declared")
    total = frame["downloads"].sum()
    found = frame.groupby(name, as_index=False).sum().sort_values("models", ascending=False, ignore_index=True)
    found["share"] = found["models"] / len(frame)
    found["share_of_downloads"] = found["downloads"] / max(total, 1)
    found["linked_share"] = found["linked"] / found["models"]
    return found.drop(columns="linked").head(top)


def _modalities(atlas: AtlasFrames) -> pd.DataFrame:
    forest = atlas.forest
    linked = forest.linked & atlas.recorded
    tasks = atlas.first("pipeline_tag")
    names = np.array([MODALITY.get(task, "none declared" if task is None else "other") for task in tasks], object)
    frame = pd.DataFrame({"modality": names[linked], "depth": forest.depth[linked]})
    found = frame.groupby("modality")["depth"].agg(
        models="size", mean_depth="mean", p95_depth=lambda depths: depths.quantile(0.95), deepest="max"
    )
    return found.sort_values("models", ascending=False).reset_index()


def _bases(atlas: AtlasFrames, top: int) -> pd.DataFrame:
    forest = atlas.forest
    downloads = np.bincount(forest.root, atlas.graph.downloads, minlength=len(atlas.graph))
    linked = max(int(forest.linked.sum()), 1)
    heads = forest.largest(top)
    return pd.DataFrame(
        {
            "base": [atlas.graph.ids[row] for row in heads],
            "models": forest.size[heads],
            "share_of_linked": forest.size[heads] / linked,
            "share_of_downloads": downloads[heads] / max(int(atlas.graph.downloads.sum()), 1),
        }
    )


def _hubs(atlas: AtlasFrames, top: int) -> pd.DataFrame:
    edges = atlas.edges[atlas.edges["active"]]
    children = np.bincount(edges["parent"], minlength=len(atlas.graph))
    heads = np.argsort(-children, kind="stable")[:top]
    heads = heads[children[heads] > 0]
    kinds = pd.crosstab(edges["parent"], edges["relation"]).reindex(heads, fill_value=0)
    frame = pd.DataFrame({"model": [atlas.graph.ids[row] for row in heads], "children": children[heads]})
    for relation in Relation:
        frame[relation.value] = kinds[relation.value].to_numpy() if relation.value in kinds else 0
    return frame


def _shapes(atlas: AtlasFrames) -> pd.DataFrame:
    edges = atlas.edges[atlas.edges["active"]]
    models = len(atlas.graph)
    child, parent = edges["child"].to_numpy(), edges["parent"].to_numpy()
    children, parents = np.bincount(parent, minlength=models), np.bincount(child, minlength=models)
    leaves = np.bincount(parent, children[child] == 0, minlength=models)
    fans = (children >= FAN_CHILDREN) & (leaves >= 0.9 * children)
    hubs = children >= HUB_CHILDREN
    snakes = snake_lengths(child, parent, models)
    rows = [
        ("hub", int(hubs.sum()), int(children[hubs].sum())),
        ("fan", int(fans.sum()), int(children[fans].sum())),
        ("snake", int((snakes >= SNAKE_STEPS).sum()), int(snakes[snakes >= SNAKE_STEPS].sum())),
        ("merge", int((parents > 1).sum()), int(parents[parents > 1].sum())),
    ]
    return pd.DataFrame(rows, columns=["shape", "number", "edges"])


def snake_lengths(child: Integers, parent: Integers, models: int) -> Integers:
    """Return the length in steps of each maximal chain whose models have one child and one parent each."""
    children, parents = np.bincount(parent, minlength=models), np.bincount(child, minlength=models)
    kept = (children[parent] == 1) & (parents[child] == 1)
    below = dict(zip(parent[kept].tolist(), child[kept].tolist(), strict=True))
    inner = set(below.values())
    lengths = []
    for head in below:
        if head in inner:
            continue
        steps, at = 0, head
        while at in below:
            steps, at = steps + 1, below[at]
        lengths.append(steps)
    return np.array(lengths, np.int64)


def _popular(atlas: AtlasFrames) -> pd.DataFrame:
    downloads = atlas.graph.downloads
    threshold = np.quantile(downloads[atlas.recorded], 1 - POPULAR_SHARE) if atlas.recorded.any() else 0
    edges = atlas.edges[atlas.edges["active"]].copy()
    edges["parent_is"] = np.where(downloads[edges["parent"]] >= max(threshold, 1), "popular", "other")
    found = edges.groupby(["parent_is", "relation"], as_index=False).agg(
        children=("child", "size"), parents=("parent", "nunique")
    )
    found["share"] = found["children"] / found.groupby("parent_is")["children"].transform("sum")
    return found.sort_values(["parent_is", "children"], ascending=[False, False], ignore_index=True)
