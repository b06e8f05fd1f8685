"""Tests of `ingest/normalise/dataset_names.py`."""

from __future__ import annotations

import json
from typing import Any

import pytest

from ingest.hub.decode import decode_record
from ingest.normalise import dataset_names as dataset_names_module
from ingest.normalise.dataset_names import dataset_names

NONE = [
    "None",
    "n/a",
    "N/A",
    "custom",
    "Custom dataset",
    "unknown",
    "null",
    "private",
    "",
    "-",
    "none.",
    "<dataset>",
    "tbd",
]


@pytest.mark.parametrize("word", NONE)
def test_words_that_name_no_dataset(word: str) -> None:
    assert dataset_names(word) == dataset_names([word]) == dataset_names({"name": word}) == []
    row = {"id": "a/b", "tags": [f"dataset:{word}", "dataset:acme/pond"], "cardData": {"datasets": [word, "squad"]}}
    found = decode_record(json.dumps(row).encode())
    assert {claim.value for claim in found.claims} == {"acme/pond", "squad"}


@pytest.mark.parametrize(
    ("value", "names"),
    [("acme/pond, squad", ["acme/pond", "squad"]), ("acme/pond;squad\n c4", ["acme/pond", "squad", "c4"]),
     ("acme/pond, none", ["acme/pond"]), (["acme/pond, squad", "acme/pond"], ["acme/pond", "squad"]),
     ("datasets/acme/pond", ["acme/pond"]), ("datasets/squad", ["squad"]), ("acme/none", ["acme/none"]),
     ("https://huggingface.co/datasets/acme/pond", ["acme/pond"]), ("acme/pond@main", ["acme/pond"]),
     ("[Pond](https://hf.co/datasets/acme/pond)", ["acme/pond"]), ("The Pile, first half", ["The Pile, first half"]),
     ("datasets--acme--pond", ["acme/pond"]), (["datasets/acme/pond", "acme/pond"], ["acme/pond"]),
     ([["acme/pond"], {"type": "squad", "name": "acme/lake"}], ["acme/pond", "acme/lake"]), (None, []), ([5, None], [])],
)  # fmt: skip
def test_names_of_datasets(value: Any, names: list[str]) -> None:
    assert dataset_names(value) == names
    row = {"id": "a/b", "tags": [], "cardData": {"datasets": value}}
    found = decode_record(json.dumps(row).encode())
    assert [claim.value for claim in found.claims if claim.rel == "TRAINED_ON"] == names


def test_the_number_of_names_and_the_length_of_a_list_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dataset_names_module, "MAX_NAMES", 3)
    assert dataset_names(["a/b", "a/c", "a/d", "a/e"]) == ["a/b", "a/c", "a/d"]
    assert dataset_names("a/b ,a/c") == ["a/b", "a/c"]
    monkeypatch.setattr(dataset_names_module, "MAX_LIST", 7)
    assert dataset_names("a/b ,a/c") == ["a/b ,a/c"]
