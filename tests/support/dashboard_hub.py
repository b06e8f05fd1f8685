"""The hub that the dashboard shows."""

from __future__ import annotations

from tests.support.graphs import child
from tests.support.hubs import made_up

ROWS = [
    *made_up(150),
    *(child(f"f/fan-{n}", "quantized:org0/base0-7b", tags=["license:mit"], downloads=n) for n in range(60)),
    child("m/merge", "merge:org0/base0-7b", "merge:org2/base2-7b", tags=["license:mit"]),
]
