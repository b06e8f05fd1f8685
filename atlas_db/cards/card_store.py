"""Store of cards: Parquet files under the home folder, one per load, keyed by (kind, id, sha)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from atlas_db.core.records import HubRecord
from atlas_db.core.terms import RecordKind

if TYPE_CHECKING:
    import pyarrow.parquet as pq

BATCH_ROWS = 2000
FOLDER = "cards"
"""Folder of cards under the home folder."""
COLUMNS = ("kind", "id", "sha", "as_of", "card")


def newest_cards(folder: Path, ids: Iterable[str], kind: RecordKind = RecordKind.MODEL) -> Iterator[tuple[str, str]]:
    """Yield id and text of the newest card of each repository; of cards with equal dates, the greatest text.

    Args:
        folder: Folder of card files; it may be missing.
        ids: Ids of the repositories.
        kind: Their kind: a model and a dataset may share an id.
    """
    wanted_ids = sorted(set(ids))
    files = sorted(str(file) for file in folder.glob("*.parquet")) if wanted_ids else []
    if not files:
        return
    import pyarrow as pa
    import pyarrow.compute as pc
    import pyarrow.dataset as parquet

    dataset = parquet.dataset(files, schema=pa.schema([(name, pa.string()) for name in COLUMNS]))
    # Files of earlier releases have no kind; nearly all their cards are of models.
    of_kind = pc.if_else(pc.field("kind").is_null(), pc.scalar(str(RecordKind.MODEL)), pc.field("kind")) == str(kind)
    wanted = of_kind & pc.field("id").isin(wanted_ids)
    dates = dataset.to_table(columns=["id", "as_of"], filter=wanted)
    pairs = Counter(zip(dates["id"].to_pylist(), dates["as_of"].to_pylist(), strict=True))
    newest: dict[str, str] = {}
    for name, as_of in pairs:
        newest[name] = max(newest.get(name, ""), as_of)
    pending: dict[str, str] = {}
    for batch in dataset.to_batches(columns=["id", "as_of", "card"], filter=wanted, batch_size=BATCH_ROWS):
        for name, as_of, card in zip(*(batch[column].to_pylist() for column in ("id", "as_of", "card")), strict=True):
            if as_of != newest[name]:
                continue
            card = max(card, pending.pop(name, ""))
            pairs[name, as_of] -= 1
            if pairs[name, as_of]:
                pending[name] = card
            else:
                yield name, card


class CardWriter:
    """Writes the cards of one load; the file gets its name once it is complete."""

    def __init__(self, folder: Path, run_id: str, *, enabled: bool) -> None:
        self._path = folder / f"{run_id}.parquet"
        self._enabled = enabled
        self._rows: list[tuple[str, str, str, str, str]] = []
        self._writer: pq.ParquetWriter | None = None

    def add(self, record: HubRecord, as_of: str) -> None:
        """Add the card of a record."""
        if not self._enabled or record.card is None:
            return
        text = record.card.encode("utf-8", errors="replace").decode()
        self._rows.append((str(record.kind), record.id, str(record.details.get("sha", "")), as_of, text))
        if len(self._rows) >= BATCH_ROWS:
            self._flush()

    def close(self) -> None:
        """Write the remaining cards and give the file its name."""
        self._flush()
        if self._writer is not None:
            self._writer.close()
            self._path.with_suffix(".part").replace(self._path)
            self._writer = None

    def _flush(self) -> None:
        if not self._rows:
            return
        import pyarrow as pa
        import pyarrow.parquet as parquet

        columns: dict[str, Any] = dict(zip(COLUMNS, zip(*self._rows, strict=True), strict=True))
        table = pa.table({name: pa.array(values, pa.string()) for name, values in columns.items()})
        if self._writer is None:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            self._writer = parquet.ParquetWriter(self._path.with_suffix(".part"), table.schema, compression="zstd")
        self._writer.write_table(table)
        self._rows.clear()
