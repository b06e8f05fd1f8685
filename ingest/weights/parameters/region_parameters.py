"""Tuned constants of regions: how a large family is divided."""

from __future__ import annotations

from dataclasses import dataclass

from atlas_db.core.parameters import parameter

_WORK = "chosen: bounds the work of one model"


@dataclass(frozen=True, slots=True)
class RegionParameters:
    """The regions of a large family, and the index of nearest neighbours behind them.

    Attributes:
        max_whole: Models of a family up to which it is charted whole.
        min_children: Models of a region whose parents are looked for, at least; the last may have fewer.
        max_context: Further models of a region, which may be their parents or tell siblings from parents.
        neighbours: Nearest neighbours that are looked up for each model.
        max_distance_ratio: Squared distance over that of the nearest model, up to which a neighbour is a candidate.
        ancestors: Models above a region, along the tree of nearest models, that are candidates.
        duplicates: Exact copies of a model that stand for all, where it is a candidate: the oldest.
        max_compared_in_full: Models up to which all are compared with all.
        projections: Random projections of a model, over which neighbours are searched.
        candidates_of_a_neighbour: Models whose distance is computed over all elements, for each neighbour wanted.
        hubs_of_a_pivot: Nearest models of each pivot that may be hubs.
        max_hubs: Models that are compared with all, those nearest to most pivots.
        cells_of_a_model: Cells that each model belongs to.
    """

    max_whole: int = parameter(128, "models", _WORK)
    min_children: int = parameter(32, "models", _WORK)
    max_context: int = parameter(24, "models", _WORK)
    neighbours: int = parameter(16, "models", _WORK)
    max_distance_ratio: float = parameter(3.0, "1", "chosen: independent siblings lie at twice their parent's")
    ancestors: int = parameter(3, "models", _WORK)
    duplicates: int = parameter(4, "models", _WORK)
    max_compared_in_full: int = parameter(512, "models", _WORK)
    projections: int = parameter(256, "projections", "chosen: squared distances of models, within a tenth")
    candidates_of_a_neighbour: int = parameter(2, "models", _WORK)
    hubs_of_a_pivot: int = parameter(4, "models", _WORK)
    max_hubs: int = parameter(128, "models", _WORK)
    cells_of_a_model: int = parameter(6, "cells", _WORK)


REGION = RegionParameters()
