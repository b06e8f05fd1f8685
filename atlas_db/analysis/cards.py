"""The newest card at hand of some models, out of the card files that loads wrote."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import pyarrow.compute as pc
import pyarrow.dataset as parquet


def newest_cards(folder: Path, models: Iterable[str]) -> dict[str, str]:
    """Return the text of the newest card of each model that has one, by id.

    Args:
        folder: Folder of card files; one that is missing holds none.
        models: Model ids.
    """
    files = sorted(str(file) for file in folder.glob("*.parquet"))
    if not files:
        return {}
    wanted = pc.field("id").isin(sorted(set(models)))
    table = parquet.dataset(files).to_table(columns=["id", "as_of", "card"], filter=wanted)
    rows = sorted(zip(*(table.column(name).to_pylist() for name in ("id", "as_of", "card")), strict=True))
    return {name: text for name, _, text in rows}
