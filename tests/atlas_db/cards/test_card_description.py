"""Tests of `atlas_db/cards/card_description.py`: descriptions in cards of tools and people."""

from __future__ import annotations

import time

import pytest

from atlas_db.cards.card_description import MAX_DESCRIPTION, description_of

TRAINER = """---
license: mit
base_model: roberta-base
---

<!-- This model card has been generated automatically according to the information the Trainer had access to. You
should probably proofread and complete it, then remove this comment. -->

# pond-roberta

This model is a fine-tuned version of [roberta-base](https://huggingface.co/roberta-base) on the *pond* dataset.
It achieves the following results on the evaluation set:
- Loss: 0.3

## Model description

More information needed
"""
PEOPLE = """# Pond 7B

<p align="center"><img src="a.png"></p>

[![badge](b.png)](https://x.org) ![other](c.png)

[GitHub](https://x.org) | [Paper](https://y.org) | [Demo of the model here](https://z.org)

| a | b |
|---|---|
| this is a table | of some words |

> A quote that somebody else said once.

**Pond** is a `7B` model of frogs &amp; ponds.

A second paragraph of it.
"""
TEMPLATE = """# Model Card for Model ID

<!-- Provide a quick summary of what the model is/does. -->

## Model Details

This is the model card of a 🤗 transformers model that has been pushed on the Hub. This model card has been
automatically generated.

- **Developed by:** [More Information Needed]

[More Information Needed]
"""


@pytest.mark.parametrize(
    ("card", "description"),
    [
        (
            TRAINER,
            "This model is a fine-tuned version of roberta-base on the pond dataset.",
        ),
        (PEOPLE, "Pond is a 7B model of frogs & ponds."),
        (TEMPLATE, None),
        ("---\nlicense: mit\n---\n", None),
        ("", None),
    ],
)
def test_the_description_is_the_first_paragraph_of_prose(card: str, description: str | None) -> None:
    assert description_of(card) == description


def test_a_long_paragraph_is_cut_and_an_odd_card_costs_little_time() -> None:
    found = description_of("word " * 1000)
    assert found is not None
    assert len(found) <= MAX_DESCRIPTION
    assert found.endswith("…")
    began = time.process_time()
    for odd in ("[" * 10**6, "> " * 10**6, "*a " * 10**6, "<!--" * 10**6, "`" * 10**6):
        description_of(odd)
    assert time.process_time() - began < 10
