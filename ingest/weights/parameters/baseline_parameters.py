"""Settings of the published methods that a chart is compared with; no chart depends on them."""

from __future__ import annotations

from dataclasses import dataclass

from atlas_db.core.parameters import parameter

_OPEN = "chosen: the paper leaves it open"


@dataclass(frozen=True, slots=True)
class ChartBaselineParameters:
    """Model Atlas (Horwitz et al., arXiv 2503.10633) and MoTHer (arXiv 2405.18432).

    Attributes:
        neighbourhood_ratio: Distance, over the nearest's, within which models count as one neighbourhood.
        min_neighbours: Models of a neighbourhood that is a snake or a fan.
        min_snake_correlation: Correlation of distance and time above which a neighbourhood is a snake.
        max_merge_parents: Nearest models of which pairs are tried as parents of a merge.
        min_merge_weight: Weight of a parent of a merge, at least.
        max_merge_residual: Residual of a mix of two, over the distance to the nearest, below which a model is their
            merge.
        direction_penalty: c of λ = c · mean(D) of MoTHer.
        rank_threshold: Part of the largest singular value below which others count as zero.
    """

    neighbourhood_ratio: float = parameter(1.3, "1", _OPEN)
    min_neighbours: int = parameter(3, "models", _OPEN)
    min_snake_correlation: float = parameter(0.8, "1", _OPEN)
    max_merge_parents: int = parameter(6, "models", _OPEN)
    min_merge_weight: float = parameter(0.1, "1", _OPEN)
    max_merge_residual: float = parameter(0.35, "1", _OPEN)
    direction_penalty: float = parameter(0.3, "1", "the published code's value; the paper leaves it open")
    rank_threshold: float = parameter(1e-3, "1", _OPEN)


BASELINE = ChartBaselineParameters()
