"""Fitted scorers: trees by bit masks against a walk down each, and a file that does not fit is refused by name."""

from __future__ import annotations

import json
from importlib.resources import files
from pathlib import Path

import numpy as np
import pytest

from atlas_db.core.errors import ScorerError
from ingest.weights.samples.aligned_samples import counted
from ingest.weights.tree.scorer import NETWORK_PARTS, PARENT_FEATURES, load_scorer, packaged_scorer, read_scorer

PACKAGED = Path(str(files("ingest.weights.tree") / "data" / "parent_scorer.json"))


@pytest.mark.parametrize("kind", ["weights", "fingerprint"])
def test_bit_masks_score_as_a_walk_down_each_tree(kind: str) -> None:
    fitted = json.loads(PACKAGED.read_bytes())["samples"][kind]["parent"]["trees"]

    def walked(model: np.ndarray, nodes: list[list[float]], node: int = 0) -> float:
        feature, threshold, left, right, value = (column[node] for column in nodes)
        if not left:
            return value
        return walked(model, nodes, int(left if model[int(feature)] <= threshold else right))

    rng = np.random.default_rng(0)
    rows = rng.normal(size=(200, len(PARENT_FEATURES))) * 3
    features, thresholds, *_ = fitted[0]
    rows[:7, features[:7]] = thresholds[:7]  # values that equal a threshold go left
    expected = [sum(walked(model, nodes) for nodes in fitted) for model in rows]
    assert load_scorer(kind == "weights").parent_log_odds(rows) == pytest.approx(expected, abs=1e-9)


def test_the_packaged_file_names_what_it_was_fitted_on() -> None:
    found = packaged_scorer()
    assert "seeds" in found.fitted_on
    assert found.metrics
    assert set(found.samples) == {"weights", "fingerprint"}


def test_every_feature_has_a_name_of_its_own_and_one_column_a_part() -> None:
    from ingest.weights.formats.tensor_names import PARTS

    assert len(set(PARENT_FEATURES)) == len(PARENT_FEATURES)
    assert len(NETWORK_PARTS) == len(PARTS)


@pytest.mark.parametrize(
    ("change", "named"),
    [
        (lambda file: file.update(version="parent_scorer@0"), "parent_scorer@0"),
        (lambda file: file["samples"]["weights"]["parent"]["features"].reverse(), "weights.parent: their order"),
        (lambda file: file["samples"]["fingerprint"]["containment"]["features"].__setitem__(0, "other"), "other"),
        (lambda file: file["samples"]["weights"]["adapter"]["features"].pop(), "negative_log_days"),
        (lambda file: file.update(more=1), "cannot be read"),
        (lambda file: file.pop("metrics"), "cannot be read"),
    ],
)
def test_a_file_with_other_features_or_another_version_is_refused(tmp_path: Path, change: object, named: str) -> None:
    file = json.loads(PACKAGED.read_bytes())
    assert callable(change)
    change(file)
    (tmp_path / "scorer.json").write_text(json.dumps(file))
    with pytest.raises(ScorerError, match=named) as error:
        read_scorer(tmp_path / "scorer.json")
    assert "benchmarks.zoo.fit" in error.value.hint


@pytest.mark.parametrize("shape", [(1, 32), (7, 3, 32), (2, 3, 4, 32), (0, 32)])
def test_flags_are_counted_as_numpy_counts_them(shape: tuple[int, ...]) -> None:
    for share in (0.0, 0.5, 1.0):
        flags = np.random.default_rng(1).random(shape) < share
        assert np.array_equal(counted(flags), flags.sum(-1))
