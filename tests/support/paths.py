"""Where the repository and its golden files are, and the modules of its packages."""

from __future__ import annotations

from pathlib import Path

ROOT = Path(__file__).parents[2]
GOLDEN = ROOT / "tests" / "golden"
PACKAGES = ("atlas_db", "ingest", "gnn", "cypher")
MODULES = sorted(
    file.relative_to(ROOT) for name in PACKAGES for file in (ROOT / name).rglob("*.py") if file.name != "__init__.py"
)
