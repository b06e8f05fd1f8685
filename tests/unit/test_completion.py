"""The parts of completion, each against a plain count of the same thing."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gnn.calibrate import calibration_error, conformal, isotonic, normalised, threshold
from gnn.evaluate import macro_f1
from gnn.graph import Column, column, ragged
from gnn.groups import both, number, roots
from gnn.history import COUNTS, RECENT, WINDOW, History, labels
from gnn.names import is_copy, pattern, stem, words
from gnn.scores import Scores, keep_scores, kept_scores


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
    assert is_copy(name) == (expected != name.lower())


def test_words_and_patterns() -> None:
    assert words("Qwen1.5-7B-ChatLoRA_v2") == ("qwen", "1.5", "7b", "chatlora", "v", "2")
    assert pattern("run-12-epoch3") == pattern("run-7-epoch10") == "run-#-epoch#"


@st.composite
def declared(draw: st.DrawFn) -> tuple[Column, np.ndarray, np.ndarray]:
    """Some models with values, dates (some equal) and groups."""
    n = draw(st.integers(1, 25))
    held = [(row, draw(st.sampled_from("abc"))) for row in range(n) for _ in range(draw(st.integers(0, 2)))]
    created = np.array(draw(st.lists(st.integers(0, 200), min_size=n, max_size=n)), float)
    group = np.array(draw(st.lists(st.integers(-1, 3), min_size=n, max_size=n)))
    return column(n, held), created, group


@given(declared(), st.data())
def test_counts_are_those_of_a_plain_loop(given_: tuple[Column, np.ndarray, np.ndarray], data: st.DataObject) -> None:
    held, created, group = given_
    visible = np.array(data.draw(st.lists(st.booleans(), min_size=len(created), max_size=len(created))))
    known = labels(held.held, created, visible, max(len(held.names), 1))
    history = History(known, group)
    asked, value = data.draw(st.integers(-1, 3)), data.draw(st.integers(0, max(len(held.names) - 1, 0)))
    moment, date = data.draw(st.integers(0, 220)), 230.0
    seen = [
        (time, v, row) for time, v, row in zip(known.times, known.values, known.rows, strict=True)
        if group[row] == asked and asked >= 0 and time < moment
    ]  # fmt: skip
    assert all(visible[row] for row in known.rows)
    (found,) = history.counts(np.array([asked]), np.array([value]), np.array([float(moment)]), np.array([date]))
    if not seen:
        assert np.isnan(found).all()
    else:
        hits = [time for time, v, _ in seen if v == value]
        recent = [v for _, v, _ in seen[-RECENT:]].count(value)
        lately = sum(time >= moment - WINDOW for time in hits)
        expected = [
            len(hits) / (len(seen) + 1), np.log1p(len(hits)), np.log1p(len(seen)), recent / min(len(seen), RECENT),
            np.log1p(lately), (date - hits[-1]) / 365.25 if hits else np.nan,
        ]  # fmt: skip
        assert found == pytest.approx(expected, nan_ok=True, rel=1e-5), COUNTS
    _, values = history.proposals(np.array([asked]), np.array([float(moment)]))
    assert set(values.tolist()) == {v for _, v, _ in seen}
    latest = history.latest(np.array([asked]), np.array([float(moment)]), 3)[0]
    assert [known.rows[rank] for rank in latest if rank >= 0] == [row for _, _, row in seen[::-1][:3]]


def test_groups() -> None:
    assert number(["a", None, "b", "a"]).tolist() == [0, -1, 1, 0]
    joined = both(np.array([0, 0, 1, -1, 0]), np.array([2, 3, 2, 2, 2]))
    assert joined[0] == joined[4] and len({joined[0], joined[1], joined[2]}) == 3 and joined[3] == -1
    assert joined[[0, 1, 2]].min() >= 0
    assert roots(np.array([-1, 0, 1, 2, -1, 6, 5])).tolist()[:5] == [-1, 0, 0, 0, -1]


def test_lists_of_models_that_do_not_exist_are_refused() -> None:
    from atlas_db.errors import CompletionError

    with pytest.raises(CompletionError):
        ragged(2, np.array([0, 2]), np.array([1, 1]))
    assert ragged(3, np.array([0, 0, 2]), np.array([5, 6, 7])).first.tolist() == [5, -1, 7]


def test_calibration() -> None:
    rng = np.random.default_rng(1)
    score = rng.random(20_000)
    right = (rng.random(20_000) < score**2).astype(float)
    curve = isotonic(score, right)
    assert np.abs(curve(np.array([0.2, 0.5, 0.9])) - np.array([0.04, 0.25, 0.81])).max() < 0.04
    assert calibration_error(score, right) > 0.1
    assert calibration_error(curve(score), right) < 0.01
    assert calibration_error(np.array([0.9, 0.9]), np.array([1.0, 0.0])) == pytest.approx(0.4)
    limit = threshold(curve(score), right, 0.9)
    said = curve(score) >= limit
    assert right[said].mean() >= 0.9 and 0 < said.mean() < 0.3
    assert threshold(score[:1000] * 0.1, np.zeros(1000), 0.9) > 1
    truth = rng.random(5000)
    assert (truth >= conformal(truth)).mean() == pytest.approx(0.9, abs=0.001)
    assert normalised(np.array([1.0, 3.0, 2.0]), np.array([0, 0, 1]), 2).tolist() == [0.25, 0.75, 1.0]


def test_macro_f1_agrees_with_scikit_learn() -> None:
    from sklearn.metrics import f1_score

    rng = np.random.default_rng(2)
    truth, said = rng.integers(0, 5, 300), rng.integers(0, 7, 300)
    expected = f1_score(truth, said, average="macro", labels=np.unique(truth))
    assert macro_f1(truth, said) == pytest.approx(expected)


def test_scores_are_kept_for_the_dashboard(tmp_path: Path) -> None:
    first = [
        Scores("license", "temporal", view, 10, [{"method": "ships", "accuracy": 0.5}]) for view in ("field", "bare")
    ]
    other = Scores("language", "random", "field", 3, gain={"accuracy": (0.1, 0.0, 0.2)}, reliability=[(0.5, 0.4, 3)])
    keep_scores([*first, other], tmp_path / "one")
    assert kept_scores(tmp_path / "one") == [other, *first]
    newer = [Scores("license", "temporal", "field", 20)]
    keep_scores(newer, tmp_path / "one")
    assert kept_scores(tmp_path / "one") == [other, *newer]
    assert kept_scores(tmp_path / "none") == []
