"""Tests of `ingest/weights/fingerprints/parquet.py`."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from atlas_db.core.errors import InputError
from ingest.formats.open_model import open_model
from ingest.weights.fingerprints.fingerprint import compute_fingerprint
from ingest.weights.fingerprints.parquet import read_fingerprints, write_fingerprints
from tests.support.families import print_of, root, write


def test_a_file_of_one_is_at_most_32_kb_and_comes_back_whole(tmp_path: Path) -> None:
    item = print_of(write(tmp_path / "m", root(1)), "a/b", "2024-01-01")
    path = tmp_path / "fp.parquet"
    assert write_fingerprints([item], path) == 1
    assert path.stat().st_size <= 32 * 1024
    (back,) = read_fingerprints([path])
    for name in (
        "id",
        "created_at",
        "weights_hash",
        "family_key",
        "dtype",
        "elements",
        "problems",
        "moment_names",
        "rank",
    ):
        assert getattr(back, name) == getattr(item, name), name
    for name in ("keys", "tensor", "values", "row_max", "block_max"):
        np.testing.assert_array_equal(getattr(back.sample, name), getattr(item.sample, name))
    np.testing.assert_array_equal(back.moments, item.moments)
    with open_model(tmp_path / "m") as model:
        assert compute_fingerprint(model, "a/b", "2024-01-01").weights_hash == back.weights_hash


def test_another_version_is_refused_by_name(tmp_path: Path) -> None:
    pq.write_table(pa.table({"id": ["a"]}), tmp_path / "x.parquet")
    with pytest.raises(InputError, match="fp@8"):
        list(read_fingerprints([tmp_path / "x.parquet"]))
