"""Tests of `atlas_db/analysis/compare.py`."""

from __future__ import annotations

from pathlib import Path

import pytest

from atlas_db.analysis.compare import compare_models
from atlas_db.analysis.snapshot_diff import entries_of_store
from atlas_db.core.errors import ModelNotFoundError
from atlas_db.store.bolt import Store
from tests.support.analysed_hub import filled


def test_two_models_side_by_side(store: Store, tmp_path: Path) -> None:
    filled(store, tmp_path)
    found = compare_models(store, "m/merge", "q/quant", {})
    traits = {trait.name: trait for trait in found.traits}
    assert traits["license"].change == "lateral"
    assert traits["language"][1:] == (["en", "fr"], ["en"], "differs")
    assert traits["parents"].right == ["m/merge"]
    assert 0 < found.similarity["metadata"] < 1
    assert found.card == []
    cards = compare_models(store, "m/merge", "q/quant", {"m/merge": "one two", "q/quant": "one too"})
    assert cards.similarity["card"] == pytest.approx(6 / 7)
    with pytest.raises(ModelNotFoundError):
        compare_models(store, "m/merge", "nobody/nothing", {})
    assert entries_of_store(store)["m/merge"].parents == ("org0/base0-7b", "org1/base1-7b")
