"""Tests of `atlas_db/dashboard/map/author_zones.py`."""

from __future__ import annotations

import base64
import struct
from collections import Counter

from atlas_db.dashboard.map.author_zones import FEW, zones_by_author

NAMES = [
    *(f"many/m-{at}" for at in range(40)), *(f"some/s-{at}" for at in range(9)), *(f"few/f-{at}" for at in range(5)),
    "gpt2", "lone/one",
]  # fmt: skip


def test_authors_of_many_models_have_a_zone_and_the_rest_share_one() -> None:
    found = zones_by_author(NAMES)
    assert found.titles == ["many", "some", FEW]
    zones = Counter(found.titles[at] for at in found.zone.tolist())
    assert zones == {"many": 40, "some": 9, FEW: 7}
    cells = set(zip(found.x.tolist(), found.y.tolist(), strict=True))
    assert len(cells) == len(NAMES), "a cell a model"
    assert all(x < found.field.width and y < found.field.height for x, y in cells)
    raw = base64.b64decode(found.payload())
    assert len(raw) == 8 * len(NAMES)
    assert [struct.unpack_from("<HHI", raw, 8 * at) for at in range(len(NAMES))] == [
        *zip(found.x.tolist(), found.y.tolist(), found.zone.tolist(), strict=True)
    ]


def test_an_author_stays_where_it_was_when_others_come() -> None:
    found, more = zones_by_author(NAMES), zones_by_author([*NAMES, *(f"new/n-{at}" for at in range(6))])
    assert found.field == more.field
    assert found.x.tolist()[:40] == more.x.tolist()[:40]
    assert zones_by_author([]).titles == []
