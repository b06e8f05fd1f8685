"""The extras that bring further packages, and what to do where one is missing."""

from __future__ import annotations

from importlib.util import find_spec

from atlas_db.core.errors import UsageError

EXTRAS = {
    "analysis": ("pandas", "rapidfuzz", "sklearn"),
    "cluster": ("distributed",),
    "dashboard": ("fastapi", "jinja2", "pandas", "PIL", "plotly", "rapidfuzz", "sklearn", "uvicorn"),
    "embed": ("safetensors", "sentence_transformers", "torch"),
    "gnn": ("lightgbm", "matplotlib", "safetensors", "sklearn", "torch", "torch_geometric"),
    "probe": ("safetensors", "torch", "transformers"),
    "py2neo": ("py2neo",),
}
"""Modules that each extra brings."""


def missing_package(extra: str) -> str:
    """Return what to do about an extra that is not installed; empty where it is."""
    absent = [name for name in EXTRAS[extra] if find_spec(name) is None]
    return f"{absent[0]} is not installed: pip install 'model-atlas-db[{extra}]'" if absent else ""


def require_extra(extra: str) -> None:
    """See that an extra's packages are installed.

    Raises:
        UsageError: One is not.
    """
    if why := missing_package(extra):
        reason, _, hint = why.partition(": ")
        raise UsageError(reason, hint=hint)
