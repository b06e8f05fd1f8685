"""Tests of `ingest/weights/samples/aligned_samples.py`."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from ingest.formats.tensor_names import PART_PATTERNS, part_index
from ingest.weights.samples.aligned_samples import count_flags, log_distances_by_part
from tests.support.changes import vectors
from tests.support.families import print_of, root, trained, write


@pytest.mark.parametrize("shape", [(1, 32), (7, 3, 32), (2, 3, 4, 32), (0, 32)])
def test_flags_are_counted_as_numpy_counts_them(shape: tuple[int, ...]) -> None:
    for share in (0.0, 0.5, 1.0):
        flags = np.random.default_rng(1).random(shape) < share
        assert np.array_equal(count_flags(flags), flags.sum(-1))


def test_distances_in_a_part_are_those_of_its_tensors(tmp_path: Path) -> None:
    base = root(1)
    family = vectors(tmp_path, *((model, "F32") for model in (base, trained(base, 2), trained(base, 3, 0.3))))
    found = log_distances_by_part(family)
    for part in range(len(PART_PATTERNS)):
        at = [start + place for start, stop, name in family.bounds if part_index(name) == part
              for place in range(stop - start)]  # fmt: skip
        apart = np.linalg.norm((family.values[0, at] - family.values[2, at]).astype(np.float64))
        assert found[0, 2, part] == pytest.approx(np.log(apart), abs=1e-4)
    assert (found == found.swapaxes(0, 1)).all()


def test_a_head_of_other_labels_is_no_other_size(tmp_path: Path) -> None:
    base = {name: value for name, value in root(1).items() if "lm_head" not in name}
    width = base["model.embed_tokens.weight"].shape[1]
    rng, heads = np.random.default_rng(0), {}
    for labels in (10, 33):
        head = {"classifier.weight": rng.normal(size=(labels, width)).astype(np.float32)}
        heads[labels] = print_of(write(tmp_path / str(labels), base | head))
    longer = {"model.embed_tokens.weight": root(1, vocabulary=320)["model.embed_tokens.weight"]}
    assert heads[10].elements == heads[33].elements == print_of(write(tmp_path / "body", base)).elements
    assert heads[10].elements != print_of(write(tmp_path / "longer", base | longer)).elements
