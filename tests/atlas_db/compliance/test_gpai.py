"""The one-third test by hand, and a summary of training content with all its gaps."""

from __future__ import annotations

from pathlib import Path

import pytest

from atlas_db.compliance.gpai import describe_gpai, published_compute
from atlas_db.core.errors import ModelNotFoundError
from atlas_db.licenses.card_model import read_card_model
from tests.support.graphs import child, model
from tests.support.kept import kept_store
from tests.support.license_hub import META, ROWS

DATA = [
    model("p/base", tags=["license:mit", "dataset:d/seen", "dataset:d/unseen"]),
    child("c/leaf", "finetune:p/base", "finetune:gone/base", tags=["license:mit", "dataset:d/seen"]),
    child("c/quiet", "finetune:c/leaf", tags=["license:mit"]),
    {"id": "d/seen", "tags": ["license:cc-by-4.0"], "citation": "", "description": "", "author": "d"},
]


@pytest.mark.parametrize(
    ("flop", "original", "answer"),
    [(None, None, None), (2.5e23, None, True), (2.3e23, None, False), (2.3e23, 6e23, True), (1e23, 3.1e23, False)],
)
def test_the_one_third_test(flop: float | None, original: float | None, answer: bool | None) -> None:
    found = describe_gpai(kept_store(ROWS), "b/Llama-3-leaf", flop=flop, original_flop=original).test
    assert found.exceeds is answer
    # 8 billion parameters and 15 trillion tokens: 6 * 8e9 * 15e12 = 7.2e23.
    assert found.threshold == pytest.approx((original or 7.2e23) / 3)
    assert found.original == META


def test_where_the_original_is_not_known_the_threshold_of_the_law_counts() -> None:
    store = kept_store(DATA)
    assert describe_gpai(store, "c/leaf", flop=4e22).test.exceeds
    assert describe_gpai(store, "c/leaf", flop=4e22, systemic=True).test.exceeds is False
    root = describe_gpai(store, "p/base", flop=1e25).test
    assert (root.exceeds, root.why) == (None, "no original is known above this model")


def test_published_figures_are_in_the_range_of_their_kind() -> None:
    for name, row in published_compute().items():
        assert 1e20 < row.compute < 1e26, name
        assert 5 < row.tokens / row.parameters < 4000, name


def test_the_summary_has_all_datasets_above_and_names_each_gap(tmp_path: Path) -> None:
    report = describe_gpai(kept_store(DATA), "c/quiet")
    assert {(each.dataset, *each.declared_by) for each in report.sources} == {
        ("datasets/d/seen", "c/leaf", "p/base"), ("datasets/d/unseen", "p/base"),
    }  # fmt: skip
    assert report.gaps == [
        "c/quiet declares no training data",
        "gone/base is not in this atlas, so that its training data are not known",
        "datasets/d/unseen: its licence is not known (not in atlas)",
    ]
    text = report.text()
    assert "datasets/d/seen (licence: cc-by-4.0), declared by c/leaf, p/base" in text
    assert all(f"- {gap}" in text for gap in report.gaps)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "README.md").write_text("---\nbase_model: c/leaf\ndatasets: [d/own]\n---\n")
    card = read_card_model(tmp_path / "mine")
    own = describe_gpai(kept_store(DATA), card.id, card)
    assert own.sources[0].dataset == "datasets/d/own"


def test_a_model_that_is_not_there_is_an_error() -> None:
    with pytest.raises(ModelNotFoundError, match="no/such"):
        describe_gpai(kept_store(DATA), "no/such")
