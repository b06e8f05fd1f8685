"""A hub in a store, with cards, as the analysis reads it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from atlas_db.store.bolt import Store
from ingest.load.load_records import load
from ingest.load.stream import LoadOptions
from tests.support.graphs import child, write_rows
from tests.support.hubs import made_up


def filled(store: Store, folder: Path) -> list[dict[str, Any]]:
    rows = made_up(300)
    rows += [
        child("m/merge", "merge:org0/base0-7b", "merge:org1/base1-7b", tags=["en", "fr", "license:mit"]),
        child("q/quant", "quantized:m/merge", tags=["en", "license:apache-2.0"], downloads=5000),
        child("l/lost", "finetune:nobody/has-it", tags=["generated_from_trainer"]),
    ]
    card = "---\ntags: []\n---\n# {}\n\nA model card of some words, about {}.\n"
    cards = [
        {
            "id": row["id"],
            "info": {**row, "sha": "a" * 40},
            "card": card.format(row["id"], row["id"][:5] * (at % 5 + 1)),
        }
        for at, row in enumerate(rows[:60])
    ]
    write_rows(folder / "rows.jsonl", rows)
    write_rows(folder / "cards.jsonl", cards)
    load(store, [str(folder / "rows.jsonl")], LoadOptions(folder))
    load(store, [str(folder / "cards.jsonl")], LoadOptions(folder))
    return rows
