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
from ingest.weights.fingerprints.fingerprint import MOMENTS, VERSION, Fingerprint, Sample
from ingest.weights.formats.open_model import RUN

_FLOATS = pa.list_(pa.float32())
SCHEMA = pa.schema(
    [
        ("id", pa.string()),
        ("created_at", pa.string()),
        ("location", pa.string()),
        ("revision", pa.string()),
        ("version", pa.string()),
        ("adapter", pa.bool_()),
        ("dtype", pa.string()),
        ("elements", pa.int64()),
        ("size", pa.int64()),
        ("family_key", pa.string()),
        ("content", pa.string()),
        ("declared", pa.string()),
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
_REPEATED = ["names.list.element", "dtypes.list.element", "moment_names.list.element", "family_key", "version", "dtype"]
BATCH = 256


def write_fingerprints(prints: Iterable[Fingerprint], path: Path) -> int:
    """Write fingerprints, at most 256 in memory; the file appears whole or not at all.

    Returns:
        Number of rows.
    """
    count, waiting = 0, []
    with (
        replacing(path) as partial,
        pq.ParquetWriter(
            partial, SCHEMA, compression="zstd", write_statistics=False, use_dictionary=_REPEATED
        ) as writer,
    ):
        for item in prints:
            waiting.append(_row(item))
            count += 1
            if len(waiting) == BATCH:
                writer.write_table(pa.Table.from_pylist(waiting, SCHEMA))
                waiting = []
        writer.write_table(pa.Table.from_pylist(waiting, SCHEMA))
    return count


def is_older(path: Path) -> bool:
    """Whether a file holds fingerprints of another version than this program makes."""
    try:
        told = (pq.read_schema(path).metadata or {}).get(b"atlas_db.fingerprint")
    except (OSError, pa.ArrowException):
        return False
    return told is not None and told != VERSION.encode()


def read_fingerprints(paths: Iterable[Path]) -> Iterator[Fingerprint]:
    """Yield the fingerprints in Parquet files.

    Raises:
        InputError: A file is not there, is no such file, or of another version.
    """
    anew, make = "Make them anew with atlas-db fingerprint", "Make it with atlas-db fingerprint"
    for row in rows_of(paths, "fingerprint", VERSION, anew, make):
        yield _fingerprint(row)


def rows_of(paths: Iterable[Path], what: str, version: str, anew: str, make: str) -> Iterator[dict[str, Any]]:
    """Yield the rows of Parquet files that this program made, as plain values.

    Args:
        paths: The files.
        what: What a row holds; files name their version of it in the metadata, under `atlas_db.WHAT`.
        version: The version that is understood.
        anew: What to do about another version.
        make: What to do about a file that cannot be read.

    Raises:
        InputError: A file is not there, is no such file, or of another version.
    """
    for path in paths:
        try:
            file = pq.ParquetFile(path)
            if (file.schema_arrow.metadata or {}).get(f"atlas_db.{what}".encode()) != version.encode():
                raise InputError(f"{path} holds no {what}s of version {version}", hint=anew)
            for batch in file.iter_batches(BATCH):
                yield from batch.to_pylist()
        except (OSError, pa.ArrowException) as error:
            raise InputError(f"{path} cannot be read ({error})", hint=make) from error


def _row(item: Fingerprint) -> dict[str, Any]:
    sample = item.sample
    plain = (part.name for part in fields(Fingerprint) if part.name not in ("sample", "moments"))
    return {
        **{name: getattr(item, name) for name in plain},
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
        floats("values").reshape(-1, RUN),
        floats("row_max"),
        floats("block_max"),
        row.pop("names"),
        row.pop("dtypes"),
    )
    return Fingerprint(sample=sample, moments=floats("moments").reshape(-1, len(MOMENTS)), **row)
