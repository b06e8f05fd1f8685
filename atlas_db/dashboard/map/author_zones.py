"""The sea by author: single models in zones of their authors, in place of zones of their tasks."""

from __future__ import annotations

import base64
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from atlas_db.core.arrays import Integers
from atlas_db.dashboard.map.place_names import MIN_AUTHOR
from atlas_db.dashboard.map.territories import FieldSize, capacity, name_keys, place_members, smallest_field

FEW = f"authors of less than {MIN_AUTHOR}"
"""Title of the zone that authors of few single models share."""


@dataclass(frozen=True, slots=True)
class AuthorZones:
    """Where single models lie when they are grouped by author.

    Attributes:
        field: Size.
        titles: Title of each zone, the largest first.
        zone: Zone of each model, in map order, shape (n,).
        x: Column of each model, shape (n,).
        y: Row of each model, shape (n,).
    """

    field: FieldSize
    titles: list[str]
    zone: Integers
    x: Integers
    y: Integers

    def describe(self) -> dict[str, Any]:
        """Return what decoding the payload needs: size and titles."""
        return {"width": self.field.width, "height": self.field.height, "titles": self.titles}

    def payload(self) -> str:
        """Return eight bytes a model in base64: x and y as uint16, the zone as uint32."""
        table = np.zeros(len(self.zone), np.dtype([("x", "<u2"), ("y", "<u2"), ("zone", "<u4")]))
        table["x"], table["y"], table["zone"] = self.x, self.y, self.zone
        return base64.b64encode(table.tobytes()).decode()


def zones_by_author(names: Sequence[str]) -> AuthorZones:
    """Lay out single models by author; within an author they keep their order.

    Args:
        names: Ids of the single models, in map order.
    """
    authors = [name.partition("/")[0] if "/" in name else "" for name in names]
    counts = Counter(authors)
    large = [name for name, number in counts.items() if name and number >= MIN_AUTHOR]
    numbers = {name: counts[name] for name in large}
    if rest := len(names) - sum(numbers.values()):
        numbers[FEW] = rest
    titles = sorted(numbers, key=lambda title: (-numbers[title], title))
    place = {title: at for at, title in enumerate(titles)}
    zone = np.array([place.get(author, place.get(FEW, 0)) for author in authors], np.int64)
    sizes = np.array([numbers[title] for title in titles], np.int64)
    field = smallest_field(capacity(sizes), high=True)
    cells = np.empty((len(names), 2), np.int64)
    cells[np.argsort(zone, kind="stable")] = place_members(name_keys(titles), sizes, field)
    return AuthorZones(field, titles, zone, cells[:, 0], cells[:, 1])
