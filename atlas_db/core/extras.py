"""Optional extras: the packages that each installs, and the check that they are there."""

from __future__ import annotations

from importlib.util import find_spec

from atlas_db.core.errors import UsageError

EXTRAS = {
    "analysis": ("pandas", "rapidfuzz", "scipy", "sklearn"),
    "cluster": ("distributed",),
    "dashboard": ("fastapi", "jinja2", "pandas", "PIL", "plotly", "rapidfuzz", "scipy", "sklearn", "uvicorn"),
    "embed": ("safetensors", "sentence_transformers", "torch"),
    "gnn": ("lightgbm", "matplotlib", "safetensors", "scipy", "sklearn", "torch", "torch_geometric"),
    "probe": ("safetensors", "torch", "transformers"),
    "py2neo": ("py2neo",),
}
"""Modules that each extra installs."""
TORCH_SIZE = "on Linux 2.7 GB of downloads, as torch comes with CUDA; 0.2 GB without it"


def missing_package(extra: str) -> str:
    """Return what to do about an extra that is not installed; empty where it is.

    Extras with torch state the size of the download, and the command for the build without CUDA.
    """
    absent = [name for name in EXTRAS[extra] if find_spec(name) is None]
    if not absent:
        return ""
    package = f"'model-atlas-db[{extra}]'"
    torch = f" ({TORCH_SIZE}: uv pip install --torch-backend cpu {package})" if "torch" in absent else ""
    return f"{absent[0]} is not installed: pip install {package}{torch}"


def require_extra(extra: str) -> None:
    """Raise an error unless all modules of an extra are installed.

    Raises:
        UsageError: A module is missing.
    """
    if why := missing_package(extra):
        reason, _, hint = why.partition(": ")
        raise UsageError(reason, hint=hint)
