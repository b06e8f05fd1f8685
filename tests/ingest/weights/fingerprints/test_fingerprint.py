"""Tests of `ingest/weights/fingerprints/fingerprint.py`."""

from __future__ import annotations

import json
import tracemalloc
from pathlib import Path

import numpy as np

from ingest.formats.open_model import open_model
from ingest.weights.fingerprints.fingerprint import compute_fingerprint
from ingest.weights.fingerprints.sampling import hashed_row_order
from tests.support.families import print_of, root, write


def test_shards_and_types_leave_the_positions_as_they_are(tmp_path: Path) -> None:
    weights = root(1)
    one = print_of(write(tmp_path / "one", weights))
    three = print_of(write(tmp_path / "three", weights, shards=3))
    half = print_of(write(tmp_path / "half", weights, "BF16"))
    assert one.weights_hash == three.weights_hash != half.weights_hash
    np.testing.assert_array_equal(one.sample.keys, half.sample.keys)
    np.testing.assert_allclose(one.sample.values, half.sample.values, rtol=2**-8)
    assert (one.dtype, half.dtype) == ("F32", "BF16")
    assert one.family_key == half.family_key


def test_a_fingerprint_is_what_it_was(tmp_path: Path) -> None:
    """Of fixed weights on any machine: numpy's generator is stable by seed, the hash is over little-endian floats."""
    assert print_of(write(tmp_path / "m", root(1))).weights_hash == "5df07bbb7316d71f0a03643a06106edd"
    assert hashed_row_order("layers.0.mlp.up_proj.weight", 10, 4).tolist() == [5, 4, 7, 9]


def test_moments_are_those_of_the_whole_tensor_where_it_is_small(tmp_path: Path) -> None:
    weights = root(4)
    item = print_of(write(tmp_path / "m", weights))
    place = item.moment_names.index("layers.1.mlp.down_proj.weight")
    whole = weights["model.layers.1.mlp.down_proj.weight"].astype(float)
    centred = whole - whole.mean()
    kurtosis = (centred**4).mean() / (centred**2).mean() ** 2
    expected = [whole.mean(), whole.std(), kurtosis, np.abs(whole).max(), 0]
    np.testing.assert_allclose(item.moments[place], expected, rtol=1e-5, atol=1e-8)


def test_not_a_number_is_noted_and_the_rest_is_used(tmp_path: Path) -> None:
    weights = root(6)
    weights["model.layers.0.mlp.up_proj.weight"][:40] = np.nan
    item = print_of(write(tmp_path / "m", weights))
    assert any("no numbers" in text for text in item.problems)
    assert np.isfinite(item.moments).all()


def large(folder: Path) -> Path:
    """A file of 1.2 GB, 30 blocks of a 2048-wide model, that takes no room on disk: holes read as zeros."""
    header, end = {}, 0
    for layer in range(30):
        for name, sides in (("q_proj", [2048, 2048]), ("up_proj", [4096, 2048]), ("down_proj", [2048, 4096])):
            size = 2 * sides[0] * sides[1]
            entry = {"dtype": "BF16", "shape": sides, "data_offsets": [end, end + size]}
            header[f"model.layers.{layer}.mlp.{name}.weight"], end = entry, end + size
    text = json.dumps(header).encode()
    folder.mkdir()
    with (folder / "model.safetensors").open("wb") as handle:
        handle.write(len(text).to_bytes(8, "little") + text)
        handle.truncate(8 + len(text) + end)
    return folder


def test_little_of_a_large_file_is_read(tmp_path: Path) -> None:
    with open_model(large(tmp_path / "m")) as model:
        assert model.size > 10**9
        tracemalloc.start()
        compute_fingerprint(model, "m")
        most = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert model.read_bytes < 0.01 * model.size
        assert most < 64 * 2**20
