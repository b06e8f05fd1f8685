"""The packaged scorer of parents."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

PACKAGED = Path(str(files("ingest.weights.tree") / "data" / "parent_scorer.json"))
