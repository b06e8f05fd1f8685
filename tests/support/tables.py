"""Exported tables, read back."""

from __future__ import annotations

from pathlib import Path

import polars as pl


def rows_of(file: Path) -> list[str]:
    """Return the rows of an exported table, in any order: the engine has none for edges."""
    if file.suffix == ".parquet":
        return sorted(map(str, pl.read_parquet(file).iter_rows()))
    return sorted(file.read_text(encoding="utf-8").splitlines())
