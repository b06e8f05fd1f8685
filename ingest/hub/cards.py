"""Model cards beside the graph: Parquet under the home folder, one file a load, keyed by (id, sha)."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from atlas_db.records import HubRecord

if TYPE_CHECKING:
    import pyarrow.parquet as pq

ROWS = 2000
COLUMNS = ("id", "sha", "as_of", "card")


class CardFile:
    """Writes the cards of one load; the file appears under its name only when it is whole."""

    def __init__(self, folder: Path, run_id: str, *, enabled: bool) -> None:
        self._path = folder / f"{run_id}.parquet"
        self._enabled = enabled
        self._rows: list[tuple[str, str, str, str]] = []
        self._writer: pq.ParquetWriter | None = None

    def add(self, record: HubRecord, as_of: str) -> None:
        """Keep one card."""
        if not self._enabled or record.card is None:
            return
        text = record.card.encode("utf-8", errors="replace").decode()
        self._rows.append((record.id, str(record.details.get("sha", "")), as_of, text))
        if len(self._rows) >= ROWS:
            self._flush()

    def close(self) -> None:
        """Write what is left and give the file its name."""
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
