"""atlas-db: an atlas of the world's machine-learning models as a graph you can query."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from atlas_db.api.functions import (
        Atlas,
        LineageView,
        chart,
        connect,
        demo,
        fingerprint,
        run,
        similar,
    )

__all__ = ["Atlas", "LineageView", "chart", "connect", "demo", "fingerprint", "run", "similar"]


def __getattr__(name: str) -> object:
    """Return a name of the Python interface; what it needs is imported with the first one."""
    if name not in __all__:
        raise AttributeError(f"module 'atlas_db' has no attribute {name!r}")
    from atlas_db.core.extras import require_extra

    require_extra("analysis")
    from atlas_db.api import functions

    return getattr(functions, name)
