"""Names that the map shows: families, branches and authors by their number of models, models by their downloads."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from atlas_db.analysis.frames import AtlasFrames
from atlas_db.core.arrays import Integers

BRANCHES, AUTHORS, MODELS = 6000, 3000, 4000
"""Names of each kind, at most; those of families and of zones are not limited."""
ISLES_TITLE = "small families"
MIN_BRANCH, MIN_AUTHOR = 5, 6
"""Models of a branch, and neighbouring models of an author, that get a name."""


class PlaceName(NamedTuple):
    """A name on the map, over models that follow each other in map order.

    Attributes:
        kind: family, branch, zone, author or model.
        first: Position of the first model in map order; for families and branches, the one that gives the name.
        models: Number of models.
        text: Id of the model or author, or title of the zone.
    """

    kind: str
    first: int
    models: int
    text: str


def place_names(atlas: AtlasFrames, order: Integers, families: int, zones: list[tuple[str, int]]) -> list[PlaceName]:
    """Return the names of the map, each kind by falling number of models.

    Args:
        atlas: Contents of a store.
        order: Rows in map order: families of the land, small families, single models, shape (n,).
        families: Models in families of the land.
        zones: Titles of the zones of single models, in map order, and the models of each.
    """
    ids, forest = atlas.graph.ids, atlas.forest
    land = order[:families]
    heads = np.flatnonzero(forest.parent[land] < 0)
    found = [PlaceName("family", at, int(forest.size[land[at]]), ids[land[at]]) for at in heads.tolist()]
    inner = np.flatnonzero((forest.parent[land] >= 0) & (forest.size[land] >= MIN_BRANCH))
    inner = inner[np.argsort(-forest.size[land[inner]], kind="stable")][:BRANCHES]
    found += [PlaceName("branch", at, int(forest.size[land[at]]), ids[land[at]]) for at in inner.tolist()]
    alone = len(order) - sum(models for _, models in zones)
    if alone > families:
        found.append(PlaceName("zone", families, alone - families, ISLES_TITLE))
    start = alone
    for title, models in zones:
        found.append(PlaceName("zone", start, models, title))
        start += models
    found += _authors(ids, order, alone)
    downloads = atlas.graph.downloads[order]
    best = np.argsort(-downloads, kind="stable")[:MODELS]
    found += [PlaceName("model", at, 1, ids[order[at]]) for at in best.tolist() if downloads[at] > 0]
    return sorted(found, key=lambda name: (_KINDS.index(name.kind), -name.models))


_KINDS = ("family", "zone", "branch", "author", "model")


def _authors(ids: list[str], order: Integers, alone: int) -> list[PlaceName]:
    """Return the longest runs of single models of one author."""
    names = np.array([ids[row].partition("/")[0] if "/" in ids[row] else "" for row in order[alone:].tolist()], object)
    if not len(names):
        return []
    starts = np.flatnonzero(np.concatenate(([True], names[1:] != names[:-1])))
    counts = np.diff(np.concatenate((starts, [len(names)])))
    kept = np.flatnonzero((counts >= MIN_AUTHOR) & (names[starts] != ""))
    kept = kept[np.argsort(-counts[kept], kind="stable")][:AUTHORS]
    return [PlaceName("author", alone + int(starts[at]), int(counts[at]), names[starts[at]]) for at in kept.tolist()]
