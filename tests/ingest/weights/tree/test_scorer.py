"""Tests of `ingest/weights/tree/scorer.py`."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from atlas_db.core.errors import ScorerError
from ingest.weights.tree.scorer import NETWORK_PARTS, PARENT_FEATURES, packaged_scorer, read_scorer
from tests.support.scorers import PACKAGED


def test_the_packaged_file_names_what_it_was_fitted_on() -> None:
    found = packaged_scorer()
    assert "seeds" in found.fitted_on
    assert found.metrics
    assert set(found.samples) == {"weights", "fingerprint"}


def test_every_feature_has_a_name_of_its_own_and_one_column_a_part() -> None:
    from ingest.formats.tensor_names import PART_PATTERNS

    assert len(set(PARENT_FEATURES)) == len(PARENT_FEATURES)
    assert len(NETWORK_PARTS) == len(PART_PATTERNS)


@pytest.mark.parametrize(
    ("change", "named"),
    [
        (lambda file: file.update(version="parent_scorer@0"), "parent_scorer@0"),
        (lambda file: file["samples"]["weights"]["parent"]["features"].reverse(), "weights.parent: their order"),
        (lambda file: file["samples"]["fingerprint"]["containment"]["features"].__setitem__(0, "other"), "other"),
        (lambda file: file["samples"]["weights"]["adapter"]["features"].pop(), "dated_later"),
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
