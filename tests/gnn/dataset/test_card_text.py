"""Tests of `gnn/dataset/card_text.py`."""

from __future__ import annotations

import time

from gnn.dataset.card_text import card_tokens
from gnn.parameters.token_parameters import TOKEN

CARD = """---
license: mit
model-index:
- name: tern
  results:
  - task:
      type: text-classification
    dataset:
      name: IMDb
    metrics:
    - type: accuracy
      value: 0.9312
tags: [a]
---
# Tern reads reviews
Reads <b>reviews</b>, see https://example.com/reviews.
"""


def test_words_of_a_card() -> None:
    observed = list(card_tokens(CARD))
    assert observed[:6] == [f"result {what}" for what in ("tern", "text-classification", "imdb", "accuracy", "0.9")] + [
        "tern"
    ]
    assert {"reads reviews", "see", "reviews see"} <= set(observed)
    assert not {"license", "mit", "a", "b", "https"} & set(observed)
    assert len(observed) == len(set(observed))
    assert not list(card_tokens("---\nlicense: mit\n---\n"))
    assert len(list(card_tokens(" ".join(f"w{number}" for number in range(900))))) == TOKEN.card_tokens


def test_values_have_no_quotes_and_no_white_space_around_them() -> None:
    front = "---\nmodel-index:\n- name: 'Tern'  \r\n  value:\t\n  value: \n  - type:  a b\n---\n"
    assert list(card_tokens(front)) == ["result tern", "result a b"]


def test_results_are_read_in_linear_time() -> None:
    began = time.process_time()
    for lines in ("-\n" * 100_000, f"  type: a{' ' * 200_000}b\n"):
        list(card_tokens(f"---\nmodel-index:\n{lines}---\n"))
    assert time.process_time() - began < 5, "the square of the length would take ten minutes"
