"""Fingerprints as a Parquet file: one row a model, versioned, readable by anything that reads Parquet."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from atlas_db.core.errors import InputError
from atlas_db.core.files import replacing
from ingest.formats.matrix import RUN_LENGTH
from ingest.weights.fingerprints.fingerprint import MOMENTS, VERSION, Fingerprint, Sample

_FLOATS = pa.list_(pa.float32())
SCHEMA = pa.schema(
    [
        ("id", pa.string()),
        ("created_at", pa.string()),
        ("location", pa.string()),
        ("revision", pa.string()),
        ("version", pa.string()),
        ("container", pa.string()),
        ("adapter", pa.bool_()),
        ("dtype", pa.string()),
        ("elements", pa.int64()),
        ("size", pa.int64()),
        ("family_key", pa.string()),
        ("weights_hash", pa.string()),
        ("components", pa.map_(pa.string(), pa.string())),
        ("declared_base", pa.string()),
        ("rank", pa.int32()),
        ("problems", pa.list_(pa.string())),
        ("keys", pa.list_(pa.uint64())),
        ("tensor", pa.list_(pa.uint16())),
        ("values", _FLOATS),
        ("row_max", _FLOATS),
        ("block_max", _FLOATS),
        ("names", pa.list_(pa.string())),
        ("dtypes", pa.list_(pa.string())),
        ("moment_names", pa.list_(pa.string())),
        ("moments", _FLOATS),
    ],
    metadata={b"atlas_db.fingerprint": VERSION.encode()},
)
_DICTIONARY_COLUMNS = [
    "names.list.element",
    "dtypes.list.element",
    "moment_names.list.element",
    "family_key",
    "version",
    "container",
    "dtype",
]
BATCH_ROWS = 256
STORE_FOLDER = "fingerprints"
"""Folder in the home folder with the fingerprints of each store, as `STORE.parquet`."""


def write_fingerprints(fingerprints: Iterable[Fingerprint], path: Path) -> int:
    """Write fingerprints, at most 256 in memory; the file appears whole or not at all.

    Returns:
        Number of rows.
    """
    count, rows = 0, []
    with (
        replacing(path) as partial,
        pq.ParquetWriter(
            partial, SCHEMA, compression="zstd", write_statistics=False, use_dictionary=_DICTIONARY_COLUMNS
        ) as writer,
    ):
        for item in fingerprints:
            rows.append(_row(item))
            count += 1
            if len(rows) == BATCH_ROWS:
                writer.write_table(pa.Table.from_pylist(rows, SCHEMA))
                rows = []
        writer.write_table(pa.Table.from_pylist(rows, SCHEMA))
    return count


def has_other_version(path: Path) -> bool:
    """Whether a file holds fingerprints of another version than this program writes."""
    try:
        version = (pq.read_schema(path).metadata or {}).get(b"atlas_db.fingerprint")
    except (OSError, pa.ArrowException):
        return False
    return version is not None and version != VERSION.encode()


def read_fingerprints(paths: Iterable[Path]) -> Iterator[Fingerprint]:
    """Yield the fingerprints in Parquet files.

    Raises:
        InputError: A file is not there, is no such file, or of another version.
    """
    command = "atlas-db fingerprint FOLDER --out FILE"
    for row in read_rows(paths, "fingerprint", VERSION, f"Make them anew: {command}", f"Make it: {command}"):
        yield _fingerprint(row)


def load_store_fingerprints(home: Path, store_id: str) -> list[Fingerprint]:
    """Return the fingerprints that were charted into a store from this machine.

    Raises:
        InputError: The file that is there cannot be read.
    """
    file = home / STORE_FOLDER / f"{store_id}.parquet"
    return list(read_fingerprints([file])) if file.is_file() else []


def save_store_fingerprints(fingerprints: Iterable[Fingerprint], home: Path, store_id: str) -> None:
    """Keep the fingerprints of a store in the home folder; those of the same models, and of other versions, go.

    Raises:
        InputError: The file that is there cannot be read.
    """
    file = home / STORE_FOLDER / f"{store_id}.parquet"
    kept = [] if has_other_version(file) else load_store_fingerprints(home, store_id)
    known = {item.id: item for item in (*kept, *fingerprints)}
    file.parent.mkdir(parents=True, exist_ok=True)
    write_fingerprints((known[key] for key in sorted(known)), file)


def read_rows(
    paths: Iterable[Path], what: str, version: str, rebuild_hint: str, missing_hint: str
) -> Iterator[dict[str, Any]]:
    """Yield the rows of Parquet files that this program wrote, as plain values.

    Args:
        paths: The files.
        what: Kind of a row: files have its version in the metadata, under `atlas_db.WHAT`.
        version: The version that can be read.
        rebuild_hint: Hint for a file of another version.
        missing_hint: Hint for a file that cannot be read.

    Raises:
        InputError: A file is not there, is no such file, or of another version.
    """
    for path in paths:
        try:
            file = pq.ParquetFile(path)
            if (file.schema_arrow.metadata or {}).get(f"atlas_db.{what}".encode()) != version.encode():
                raise InputError(f"{path} holds no {what}s of version {version}", hint=rebuild_hint)
            for batch in file.iter_batches(BATCH_ROWS):
                yield from batch.to_pylist()
        except FileNotFoundError as error:
            raise InputError(f"{path} does not exist", hint=missing_hint) from error
        except (OSError, pa.ArrowException) as error:
            raise InputError(f"{path} cannot be read ({error})", hint=missing_hint) from error


def _row(item: Fingerprint) -> dict[str, Any]:
    sample = item.sample
    plain = (part.name for part in fields(Fingerprint) if part.name not in ("sample", "moments"))
    return {
        **{name: getattr(item, name) for name in plain},
        "components": sorted(item.components.items()),
        "keys": sample.keys,
        "tensor": sample.tensor,
        "values": sample.values.reshape(-1),
        "row_max": sample.row_max,
        "block_max": sample.block_max,
        "names": sample.names,
        "dtypes": sample.dtypes,
        "moments": item.moments.reshape(-1),
    }


def _fingerprint(row: dict[str, Any]) -> Fingerprint:
    def floats(name: str) -> np.ndarray[Any, np.dtype[np.float32]]:
        return np.array(row.pop(name), np.float32)

    sample = Sample(
        np.array(row.pop("keys"), np.uint64),
        np.array(row.pop("tensor"), np.uint16),
        floats("values").reshape(-1, RUN_LENGTH),
        floats("row_max"),
        floats("block_max"),
        row.pop("names"),
        row.pop("dtypes"),
    )
    components = dict(row.pop("components"))
    return Fingerprint(sample=sample, components=components, moments=floats("moments").reshape(-1, len(MOMENTS)), **row)
