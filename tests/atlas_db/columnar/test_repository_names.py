"""Tests of `atlas_db/columnar/repository_names.py`."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from atlas_db.columnar.repository_names import NameKeys, name_tokens, pattern, stem


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("Llama-2-7B-Chat-GGUF", "llama-2-7b-chat"),
        ("Mistral-7B-Instruct-v0.2-AWQ", "mistral-7b-instruct-v0.2"),
        ("opus-v1.2-7b-4.0bpw-h6-exl2", "opus-v1.2-7b"),
        ("zephyr-7b-beta.Q4_K_M.gguf", "zephyr-7b-beta"),
        ("bert-base-uncased", "bert-base-uncased"),
        ("GGUF", "gguf"),
    ],
)
def test_stems(name: str, expected: str) -> None:
    assert stem(name) == expected
    assert NameKeys.of([f"me/{name}", name]).is_copy.tolist() == 2 * [expected != name.lower()]


def test_words_and_patterns() -> None:
    assert name_tokens("Qwen1.5-7B-ChatLoRA_v2") == ("qwen", "1.5", "7b", "chatlora", "v", "2")
    assert pattern("run-12-epoch3") == pattern("run-7-epoch10") == "run-#-epoch#"


@pytest.mark.slow
@given(
    st.lists(
        st.text("abkmT1207.-_/é", max_size=14) | st.sampled_from(["x/Llama-2-7B-GGUF", "7bit", "1.5x", "v1.5b-q4_k"])
    ),
    st.integers(1, 3),
)
def test_names_in_columns_are_split_as_each_alone(ids: list[str], cores: int) -> None:
    names = [identifier.rpartition("/")[2].lower() for identifier in ids]
    found = NameKeys.of(ids, cores)
    parts = [name_tokens(name) for name in names]
    expected = {
        "stem": [stem(name) for name in names],
        "pattern": [pattern(name) for name in names],
        "first_token": [each[0] if each else None for each in parts],
        "first_two_tokens": [each[:2] or None for each in parts],
        "last_token": [each[-1] if each else None for each in parts],
    }
    assert found.lower == names
    assert found.is_copy.tolist() == [stem(name) != name for name in names]
    for field, keys in expected.items():
        same = [[a is not None and a == b for a in keys] for b in keys]
        column = getattr(found, field)
        assert (((column[:, None] == column) & (column >= 0)) == np.array(same, bool).reshape(len(ids), len(ids))).all()
