"""Tests of `ingest/weights/pairwise/untrained_embeddings.py`."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from ingest.weights.pairwise.untrained_embeddings import lead_in_deviations, untrained_rows
from ingest.weights.samples.resample import Resampler
from ingest.weights.tree.family_state import load_samples, run_pair_tests
from tests.support.changes import read, vectors
from tests.support.charts import one_a_day, pairs
from tests.support.families import print_of, root, stored, trained, write


def test_words_that_training_never_met_name_the_parent_where_its_trace_is_drowned(tmp_path: Path) -> None:
    base = root(1)
    near = read(base, 2, 0.001, slice(0, 120))
    made = {"base": base, "near": near, "child": read(near, 3, 0.6, slice(100, 200)), "kin": trained(base, 4, 0.3)}
    edges = pairs(one_a_day(tmp_path, made))
    assert edges == {("near", "base"), ("child", "near"), ("kin", "base")}


@pytest.mark.parametrize("dtype", ["F32", "BF16"])
def test_rows_of_words_are_those_of_the_values_that_a_child_was_trained_from(tmp_path: Path, dtype: str) -> None:
    """The child has its parent's rows of words that it did not meet, the base's of those that neither met."""
    base = root(1)
    parent = stored(read(base, 2, 0.3, slice(0, 120)), dtype)
    child, relatives = read(parent, 3, 0.3, slice(100, 200)), read(parent, 4, 0.3, slice(0, 50))
    models = {"base": base, "parent": parent, "child": child, "kin": relatives, "cast": stored(parent, "F16")}
    folders = [write(tmp_path / name, weights, {"cast": "F16"}.get(name, "F32")) for name, weights in models.items()]
    samples = load_samples([print_of(folder) for folder in folders], Resampler(), use_dates=False)
    bits = run_pair_tests(samples).untrained_rows[2]
    name, sizes = "model.embed_tokens.weight", []
    for model in models.values():
        whole = model[name].astype(float)
        factors = (child[name] * whole).sum(1) / np.square(whole).sum(1)
        sizes.append(int((np.abs(child[name] - factors[:, None] * whole).max(1) < 1e-6).sum()))
    assert sizes == ([56, 156, 256, 106, 0] if dtype == "F32" else [0, 156, 256, 106, 156]), "rows of the whole table"
    counts = np.unpackbits(bits, axis=1).sum(1)
    assert counts[[0, 1, 3, 4]] / counts[1] == pytest.approx(np.array(sizes)[[0, 1, 3, 4]] / 156, abs=0.08)
    listed = lead_in_deviations(bits)
    assert listed == pytest.approx(-listed.T)
    assert listed[1, 3] == pytest.approx(np.sqrt(counts[1] - counts[3])) and min(listed[1, 0], listed[1, 3]) > 3


def test_where_no_words_were_sampled_nothing_is_compared(tmp_path: Path) -> None:
    body = {name: value for name, value in root(1).items() if "layers" in name}
    bits = untrained_rows(vectors(tmp_path, (body, "F32"), (trained(body, 2), "F32")))
    assert bits.shape == (2, 2, 0) and not lead_in_deviations(bits[0]).any()
