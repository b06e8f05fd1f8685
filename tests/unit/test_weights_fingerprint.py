"""Fingerprints: small, the same everywhere, quick on large files; and the file they are kept in."""

from __future__ import annotations

import json
import tracemalloc
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from atlas_db.core.errors import InputError
from ingest.weights.fingerprints.batch import find_models, fingerprint_all
from ingest.weights.fingerprints.fingerprint import fingerprint
from ingest.weights.fingerprints.parquet import read_prints, write_prints
from ingest.weights.fingerprints.sampling import DETAIL, SKETCH, row_order, shares
from ingest.weights.formats.open_model import open_model
from ingest.weights.samples.aligned_samples import align
from tests.support.families import print_of, root, trained, write


def test_shards_and_types_leave_the_positions_as_they_are(tmp_path: Path) -> None:
    weights = root(1)
    one = print_of(write(tmp_path / "one", weights))
    three = print_of(write(tmp_path / "three", weights, shards=3))
    half = print_of(write(tmp_path / "half", weights, "BF16"))
    assert one.content == three.content != half.content
    np.testing.assert_array_equal(one.sample.keys, half.sample.keys)
    np.testing.assert_allclose(one.sample.values, half.sample.values, rtol=2**-8)
    assert (one.dtype, half.dtype) == ("F32", "BF16")
    assert one.family_key == half.family_key


def test_a_fingerprint_is_what_it_was(tmp_path: Path) -> None:
    """Of fixed weights on any machine: numpy's generator is stable by seed, the hash is over little-endian floats."""
    assert print_of(write(tmp_path / "m", root(1))).content == "5df07bbb7316d71f0a03643a06106edd"
    assert row_order("layers.0.mlp.up_proj.weight", 10, 4).tolist() == [5, 4, 7, 9]


def test_every_sampled_element_is_the_models_own(tmp_path: Path) -> None:
    weights = root(3)
    folder = write(tmp_path / "m", weights)
    item = print_of(folder)
    names = [f"model.{name}" if not name.startswith("lm_head") else name for name in item.sample.names]
    for place, values in enumerate(item.sample.values):
        whole = weights[names[item.sample.tensor[place]]]
        assert any(
            np.array_equal(row[start : start + 32], values) and item.sample.row_max[place] == np.abs(row).max()
            for row in whole
            for start in range(0, len(row), 32)
        )
    assert len(set(item.sample.keys.tolist())) == SKETCH


def test_moments_are_those_of_the_whole_tensor_where_it_is_small(tmp_path: Path) -> None:
    weights = root(4)
    item = print_of(write(tmp_path / "m", weights))
    place = item.moment_names.index("layers.1.mlp.down_proj.weight")
    whole = weights["model.layers.1.mlp.down_proj.weight"].astype(float)
    centred = whole - whole.mean()
    kurtosis = (centred**4).mean() / (centred**2).mean() ** 2
    expected = [whole.mean(), whole.std(), kurtosis, np.abs(whole).max(), 0]
    np.testing.assert_allclose(item.moments[place], expected, rtol=1e-5, atol=1e-8)


def test_a_grown_vocabulary_keeps_nearly_all_positions(tmp_path: Path) -> None:
    old, new = root(5), root(5, 272)
    new |= {name: value for name, value in old.items() if value.shape == new[name].shape}
    for name in ("model.embed_tokens.weight", "lm_head.weight"):
        new[name][:256] = old[name]
    prints = [print_of(write(tmp_path / name, weights)) for name, weights in (("old", old), ("new", new))]
    vectors = align([item.sample for item in prints], [item.dtype for item in prints])
    assert len(vectors.tensor) > 0.9 * SKETCH
    np.testing.assert_array_equal(vectors.values[0], vectors.values[1])
    assert prints[0].family_key == prints[1].family_key


def test_a_larger_sample_holds_the_smaller_one() -> None:
    assert row_order("x", 1000, 50)[:20].tolist() == row_order("x", 1000, 20).tolist()
    names = [f"layers.{n}.w" for n in range(7)]
    assert sum(shares(names, SKETCH).values()) == SKETCH
    assert sum(shares(names, DETAIL).values()) == DETAIL
    assert len(shares(names, 3)) == 3


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
        fingerprint(model, "m")
        most = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert model.read_bytes < 0.01 * model.size
        assert most < 64 * 2**20


def test_a_file_of_one_is_at_most_32_kb_and_comes_back_whole(tmp_path: Path) -> None:
    item = print_of(write(tmp_path / "m", root(1)), "a/b", "2024-01-01")
    path = tmp_path / "fp.parquet"
    assert write_prints([item], path) == 1
    assert path.stat().st_size <= 32 * 1024
    (back,) = read_prints([path])
    for name in ("id", "created_at", "content", "family_key", "dtype", "elements", "problems", "moment_names", "rank"):
        assert getattr(back, name) == getattr(item, name), name
    for name in ("keys", "tensor", "values", "row_max", "block_max"):
        np.testing.assert_array_equal(getattr(back.sample, name), getattr(item.sample, name))
    np.testing.assert_array_equal(back.moments, item.moments)
    with open_model(tmp_path / "m") as model:
        assert fingerprint(model, "a/b", "2024-01-01").content == back.content


def test_another_version_is_refused_by_name(tmp_path: Path) -> None:
    pq.write_table(pa.table({"id": ["a"]}), tmp_path / "x.parquet")
    with pytest.raises(InputError, match="fp@3"):
        list(read_prints([tmp_path / "x.parquet"]))


def test_a_batch_does_not_depend_on_who_computes(tmp_path: Path) -> None:
    for seed in range(5):
        write(tmp_path / "zoo" / f"m{seed}", trained(root(1), seed))
    models = find_models([tmp_path / "zoo"])
    assert [item.id for item in models] == [f"m{seed}" for seed in range(5)]
    outs = []
    for workers in (1, 3):
        out = tmp_path / f"{workers}.parquet"
        fingerprint_all(models, out, lambda *_: None, executor=ThreadPoolExecutor(workers))
        outs.append(out.read_bytes())
    assert outs[0] == outs[1]
