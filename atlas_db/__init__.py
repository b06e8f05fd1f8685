"""atlas-db: an atlas of the world's machine-learning models as a graph you can query."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from atlas_db.api.functions import Atlas, chart, connect, demo, fingerprint, run, similar

    __version__: str

__all__ = ["Atlas", "chart", "connect", "demo", "fingerprint", "run", "similar"]


def __getattr__(name: str) -> object:
    """Return a name of the Python interface. What it needs is imported with the first one, to keep `import` fast."""
    if name == "__version__":
        from importlib.metadata import version

        return version("model-atlas-db")
    if name not in __all__:
        raise AttributeError(f"module 'atlas_db' has no attribute {name!r}")
    from atlas_db.api import functions

    return getattr(functions, name)


def __dir__() -> list[str]:
    """List the names that come with the first use, so that notebooks and shells complete them."""
    return sorted({*globals(), *__all__, "__version__"})
