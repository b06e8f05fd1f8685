"""The parts of completion, each against a plain count of the same thing."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.optim.lr_scheduler import OneCycleLR

from atlas_db.columnar.graph import Column
from atlas_db.columnar.read import category_column
from atlas_db.columnar.repository_names import NameKeys, factorize_strings, name_tokens, pattern, stem
from atlas_db.core.arrays import csr_lists
from gnn.candidates.inverted_index import InvertedIndex, Vocabulary, tokenize_names, top_k_per_group
from gnn.candidates.name_neighbours import NameKNN
from gnn.dataset.card_text import card_tokens
from gnn.dataset.grouping_keys import combine_keys, roots
from gnn.dataset.temporal_counts import (
    COUNT_FEATURES,
    PointInTimeCounts,
    PrefixCounter,
    declaration_events,
)
from gnn.evaluation.evaluate import macro_f1
from gnn.evaluation.results import EvaluationReport, load_report, save_report
from gnn.features.neighbours import NeighbourSample
from gnn.models.calibration import (
    calibration_error,
    conformal_quantile,
    fit_inverse_temperature,
    fit_isotonic,
    normalised_by_group,
    threshold_at_precision,
)
from gnn.models.graph_network import Collator, GraphNetwork, accelerator, fit_network, warmup_share
from gnn.models.ranker import Ranker
from gnn.parameters.candidate_parameters import CANDIDATE
from gnn.parameters.model_parameters import MODEL
from gnn.parameters.token_parameters import TOKEN


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


@given(
    st.lists(
        st.text("abkmT1207.-_/é", max_size=14) | st.sampled_from(["x/Llama-2-7B-GGUF", "7bit", "1.5x", "v1.5b-q4_k"])
    ),
    st.integers(1, 3),
)
def test_names_in_columns_say_what_each_says_alone(ids: list[str], cores: int) -> None:
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


@st.composite
def declared(draw: st.DrawFn) -> tuple[Column, np.ndarray, np.ndarray]:
    """Some models with values, dates (some equal) and groups."""
    n = draw(st.integers(1, 25))
    held = [(row, draw(st.sampled_from("abc"))) for row in range(n) for _ in range(draw(st.integers(0, 2)))]
    created = np.array(draw(st.lists(st.integers(0, 200), min_size=n, max_size=n)), float)
    group = np.array(draw(st.lists(st.integers(-1, 3), min_size=n, max_size=n)))
    return category_column(n, np.array([row for row, _ in held], int), [value for _, value in held]), created, group


@given(declared(), st.data())
def test_counts_are_those_of_a_plain_loop(given_: tuple[Column, np.ndarray, np.ndarray], data: st.DataObject) -> None:
    held, created, group = given_
    visible = np.array(data.draw(st.lists(st.booleans(), min_size=len(created), max_size=len(created))))
    known = declaration_events(held.codes, created, visible, max(len(held.categories), 1))
    history = PointInTimeCounts(known, group)
    asked, value = data.draw(st.integers(-1, 3)), data.draw(st.integers(0, max(len(held.categories) - 1, 0)))
    moment, date = data.draw(st.integers(0, 220)), 230.0
    seen = [
        (time, v, row) for time, v, row in zip(known.times, known.values, known.rows, strict=True)
        if group[row] == asked and asked >= 0 and time < moment
    ]  # fmt: skip
    assert all(visible[row] for row in known.rows)
    (found,) = history.count_features(np.array([asked]), np.array([value]), np.array([float(moment)]), np.array([date]))
    if not seen:
        assert np.isnan(found).all()
    else:
        hits = [time for time, v, _ in seen if v == value]
        recent = [v for _, v, _ in seen[-CANDIDATE.recent_events :]].count(value)
        lately = sum(time >= moment - CANDIDATE.recent_days for time in hits)
        expected = [
            len(hits) / (len(seen) + 1), np.log1p(len(hits)), np.log1p(len(seen)), recent / min(len(seen), CANDIDATE.recent_events),
            np.log1p(lately), (date - hits[-1]) / 365.25 if hits else np.nan,
        ]  # fmt: skip
        assert found == pytest.approx(expected, nan_ok=True, rel=1e-5), COUNT_FEATURES
    mine = group[known.rows]
    before = PrefixCounter(known, mine).count_before(np.array([asked]), np.array([float(moment)]))
    assert before.tolist() == [len(seen)]
    _, values = history.most_frequent(np.array([asked]), np.array([float(moment)]))
    assert set(values.tolist()) == {v for _, v, _ in seen}
    latest = history.last_k(np.array([asked]), np.array([float(moment)]), 3)[0]
    assert [known.rows[rank] for rank in latest if rank >= 0] == [row for _, _, row in seen[::-1][:3]]


def test_groups() -> None:
    assert factorize_strings(["a", None, "b", "a"]).tolist() == [0, -1, 1, 0]
    joined = combine_keys(np.array([0, 0, 1, -1, 0]), np.array([2, 3, 2, 2, 2]))
    assert joined[0] == joined[4] and len({joined[0], joined[1], joined[2]}) == 3 and joined[3] == -1
    assert joined[[0, 1, 2]].min() >= 0
    assert roots(np.array([-1, 0, 1, 2, -1, 6, 5])).tolist()[:5] == [-1, 0, 0, 0, -1]


def test_lists_of_models_that_do_not_exist_are_refused() -> None:
    from atlas_db.core.errors import CompletionError

    with pytest.raises(CompletionError):
        csr_lists(2, np.array([0, 2]), np.array([1, 1]))
    assert csr_lists(3, np.array([0, 0, 2]), np.array([5, 6, 7])).first.tolist() == [5, -1, 7]


def test_calibration() -> None:
    rng = np.random.default_rng(1)
    score = rng.random(20_000)
    right = (rng.random(20_000) < score**2).astype(float)
    curve = fit_isotonic(score, right)
    assert np.abs(curve(np.array([0.2, 0.5, 0.9])) - np.array([0.04, 0.25, 0.81])).max() < 0.04
    assert calibration_error(score, right) > 0.1
    assert calibration_error(curve(score), right) < 0.01
    assert calibration_error(np.array([0.9, 0.9]), np.array([1.0, 0.0])) == pytest.approx(0.4)
    limit = threshold_at_precision(curve(score), right, 0.9)
    said = curve(score) >= limit
    assert right[said].mean() >= 0.9 and 0 < said.mean() < 0.3
    assert threshold_at_precision(score[:1000] * 0.1, np.zeros(1000), 0.9) > 1
    few = np.array([0.99] * 58 + [0.4, 0.2])
    for precision, least in ((0.95, 0.5), (0.3, 0.3)):
        assert threshold_at_precision(few, (few > 0.5).astype(float), precision) == least
    truth = rng.random(5000)
    assert (truth >= conformal_quantile(truth)).mean() == pytest.approx(0.9, abs=0.001)
    assert normalised_by_group(np.array([1.0, 3.0, 2.0]), np.array([0, 0, 1]), 2).tolist() == [0.25, 0.75, 1.0]
    assert normalised_by_group(np.array([1.0, 3.0, 2.0]), np.array([0, 0, 1]), 2, 2.0) == pytest.approx([0.1, 0.9, 1.0])


def test_sharpness_undoes_a_temperature() -> None:
    rng = np.random.default_rng(1)
    chance = rng.dirichlet(np.full(4, 0.3), 4000) + 1e-6
    chance /= chance.sum(1, keepdims=True)
    drawn = (rng.random(4000)[:, None] > chance.cumsum(1)).sum(1).clip(0, 3)
    right = np.arange(4) == drawn[:, None]
    places = np.repeat(np.arange(4000), 4)
    for power in (1.0, 4.0):
        assert fit_inverse_temperature(chance.ravel() ** (1 / power), places, 4000, right.ravel()) == power
    assert fit_inverse_temperature(chance.ravel(), places, 4000, np.zeros(16000, bool)) == 1.0


def test_macro_f1_agrees_with_scikit_learn() -> None:
    from sklearn.metrics import f1_score

    rng = np.random.default_rng(2)
    truth, said = rng.integers(0, 5, 300), rng.integers(0, 7, 300)
    expected = f1_score(truth, said, average="macro", labels=np.unique(truth))
    assert macro_f1(truth, said) == pytest.approx(expected)


def test_scores_are_kept_for_the_dashboard(tmp_path: Path) -> None:
    first = [
        EvaluationReport("license", "temporal", view, 10, [{"method": "ships", "accuracy": 0.5}])
        for view in ("with_metadata", "cold_start")
    ]
    other = EvaluationReport(
        "language", "random", "with_metadata", 3, gain={"accuracy": (0.1, 0.0, 0.2)}, reliability=[(0.5, 0.4, 3)]
    )
    save_report([*first, other], tmp_path / "one")
    assert load_report(tmp_path / "one") == [other, *first]
    newer = [EvaluationReport("license", "temporal", "with_metadata", 20)]
    save_report(newer, tmp_path / "one")
    assert load_report(tmp_path / "one") == [other, *newer]
    assert load_report(tmp_path / "none") == []


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
    said = list(card_tokens(CARD))
    assert said[:6] == [f"result {what}" for what in ("tern", "text-classification", "imdb", "accuracy", "0.9")] + [
        "tern"
    ]
    assert {"reads reviews", "see", "reviews see"} <= set(said)
    assert not {"license", "mit", "a", "b", "https"} & set(said)
    assert len(said) == len(set(said))
    assert not list(card_tokens("---\nlicense: mit\n---\n"))
    assert len(list(card_tokens(" ".join(f"w{number}" for number in range(900))))) == TOKEN.card_tokens


NAMES = st.lists(
    st.lists(st.sampled_from(("tern", "heron", "7b", "chat", "v", "2", "q4")), max_size=4).map("-".join),
    min_size=1, max_size=12,
)  # fmt: skip


def said(name: str) -> set[str]:
    parts = name_tokens(name)
    return {*parts, *(f"{a} {b}" for a, b in pairwise(parts))}


@given(NAMES, NAMES, st.data())
def test_names_that_share_words_are_found_without_comparing_all(
    names: list[str], asked: list[str], data: st.DataObject
) -> None:
    vocabulary = Vocabulary()
    spelled, questions = vocabulary.terms(names), vocabulary.terms(asked)
    order = np.array(data.draw(st.permutations(range(len(names)))), np.int64)
    since = np.array(data.draw(st.lists(st.integers(0, len(names)), min_size=len(asked), max_size=len(asked))))
    shelf = InvertedIndex(spelled, len(vocabulary), order)

    def weight(shared: set[str]) -> float:
        uses = [sum(word in said(name) for name in names) for word in shared]
        return sum(np.log((len(names) + 1) / (count + 1)) ** 2 for count in uses)

    expected = {
        (place, row): weight(said(mine) & said(theirs))
        for place, mine in enumerate(asked) for row, theirs in enumerate(names)
        if said(mine) & said(theirs) and order[row] >= since[place]
    }  # fmt: skip
    places, rows, shared = shelf.search(questions, since)
    found = dict(zip(zip(places.tolist(), rows.tolist(), strict=True), shared.tolist(), strict=True))
    assert found == pytest.approx(expected, abs=1e-4)
    assert shelf.weight(questions) == pytest.approx([weight(said(name)) for name in asked], abs=1e-4)
    assert shelf.length == pytest.approx([weight(said(name)) for name in names], abs=1e-4)
    every = np.repeat(np.arange(len(asked)), len(names)), np.tile(np.arange(len(names)), len(asked))
    again, counts = shelf.shared_weight(questions, *every)
    pairs = [said(mine) & said(theirs) for mine in asked for theirs in names]
    assert again == pytest.approx([weight(shared) for shared in pairs], abs=1e-4)
    assert counts.tolist() == [len(shared) for shared in pairs]


@given(NAMES, st.data())
def test_owners_words_stand_before_names(names: list[str], data: st.DataObject) -> None:
    owners = data.draw(NAMES)
    of = np.array(data.draw(st.lists(st.integers(-1, len(owners) - 1), min_size=len(names), max_size=len(names))))
    vocabulary = Vocabulary()
    signed = tokenize_names(names, vocabulary).with_owner(owners, of.astype(np.int64))
    whole = [f"{owners[owner]} {name}" if owner >= 0 else name for owner, name in zip(of, names, strict=True)]
    again = vocabulary.terms(whole)
    assert [signed.terms.row(row).tolist() for row in range(len(names))] == [
        again.row(row).tolist() for row in range(len(names))
    ]


def test_long_lists_are_read_at_their_head_alone() -> None:
    vocabulary = Vocabulary()
    spelled = vocabulary.terms(["tern"] * (3 * CANDIDATE.champion_list))
    shelf = InvertedIndex(spelled, len(vocabulary), np.arange(3 * CANDIDATE.champion_list)[::-1].copy())
    _, rows, _ = shelf.search(vocabulary.terms(["tern"]))
    assert sorted(rows) == list(range(2 * CANDIDATE.champion_list, 3 * CANDIDATE.champion_list))
    _, rows, _ = shelf.search(vocabulary.terms(["tern"]), np.array([3 * CANDIDATE.champion_list - 5]))
    assert sorted(rows) == list(range(5))


def test_the_best_of_each_place() -> None:
    kept = top_k_per_group(np.array([0, 0, 0, 2, 2]), np.array([1.0, 3.0, 2.0, 5.0, 4.0], np.float32), 2)
    assert kept.tolist() == [1, 2, 3, 4]


@given(declared(), st.data())
def test_votes_of_like_names_are_those_of_a_plain_loop(
    given_: tuple[Column, np.ndarray, np.ndarray], data: st.DataObject
) -> None:
    held, created, _ = given_
    n = len(created)
    ids = [f"a/{name}" for name in data.draw(NAMES.filter(lambda names: len(names) > 1))]
    ids = [ids[row % len(ids)] for row in range(n)]
    known = declaration_events(held.codes, created, np.ones(n, bool), max(len(held.categories), 1))
    moment = float(data.draw(st.integers(0, 220)))
    votes = NameKNN(known, tokenize_names(ids, Vocabulary())).votes(np.arange(n), np.full(n, moment))
    docs = [(known.rows[at], known.values[at]) for at in range(len(known.rows))]

    def weight(shared: set[str]) -> float:
        uses = [sum(word in said(ids[row][2:]) for row, _ in docs) for word in shared]
        return sum(np.log((len(docs) + 1) / (count + 1)) ** 2 for count in uses)

    for row in range(n):
        likeness = [
            (weight(said(ids[row][2:]) & said(ids[other][2:]))
             / np.sqrt(max(weight(said(ids[row][2:])) * weight(said(ids[other][2:])), 1e-6)), value)
            for at, (other, value) in enumerate(docs)
            if other != row and known.times[at] < moment and said(ids[row][2:]) & said(ids[other][2:])
        ]  # fmt: skip
        mine = votes.query_index == row
        if len(likeness) <= CANDIDATE.nearest_names:
            total = sum(like for like, _ in likeness)
            expected = {
                value: (
                    max(like for like, other in likeness if other == value),
                    sum(like for like, other in likeness if other == value) / max(total, 1e-9),
                )
                for value in {value for _, value in likeness}
            }
            found = dict(zip(votes.values[mine].tolist(), map(tuple, votes.features[mine].tolist()), strict=True))
            assert found.keys() == expected.keys()
            for value, told in expected.items():
                assert found[value] == pytest.approx(told, abs=1e-3)
        asked = np.arange(known.num_values)
        about = votes.features_of(np.full(known.num_values, row), asked, known.num_values)
        assert {int(value) for value in asked[about[:, 0] > 0]} <= set(votes.values[mine].tolist())


def test_lists_are_judged_in_steps_as_by_all_trees_at_once() -> None:
    rng = np.random.default_rng(0)
    models, each = 200, 40
    places = np.repeat(np.arange(models), each)
    features = rng.normal(size=(len(places), 8)).astype(np.float32)
    truth = np.zeros(len(places), bool)
    truth[np.arange(models) * each + rng.integers(0, each, models)] = True
    features[truth, 0] += 1.5
    ranker = Ranker.fit(features, truth, places, 1, listwise=True, with_stacked=False)
    found = np.log(ranker.score(features, places)).reshape(models, each)
    whole = np.log(ranker.tabular_score(features)).reshape(models, each)
    judged = np.isclose(found, whole)
    assert (judged.sum(1) == MODEL.ranker.cascade[-1][1]).all() and len(ranker.score(features[:0], places[:0])) == 0
    assert (found.argmax(1) == whole.argmax(1)).mean() > 0.98
    assert (np.where(judged, found, np.inf).min(1) > np.where(judged, -np.inf, found).max(1)).all()


def test_the_network_learns_where_its_weights_lie() -> None:
    """On a device without memory, any step that mixes two devices fails; numbers are not computed."""
    rng = np.random.default_rng(1)
    said = csr_lists(40, np.repeat(np.arange(40), 3), rng.integers(1, 50, 120))
    near, labels, ages = rng.integers(-1, 40, (40, 4)), rng.integers(0, 5, (40, 4)), rng.random((40, 4), np.float32)
    examples = NeighbourSample(np.arange(40), np.ones(40, bool), near, labels, ages, np.array([0, 0, 1, 2]))
    net = GraphNetwork(5, 3).to("meta")
    fit_network(net, Collator(said, said), examples, rng.integers(0, 5, 40), epochs=1, learning_rate=1e-3, seed=1)
    assert net.device.type == "meta" and accelerator().type in ("cpu", "cuda")


@pytest.mark.parametrize("steps", [1, 2, 9, 10, 11, 20, 400])
def test_the_learning_rate_is_defined_at_every_number_of_steps(steps: int) -> None:
    """A warm-up of one step, as ten steps have, made PyTorch's one-cycle schedule divide by zero."""
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], 0.1)
    schedule = OneCycleLR(optimizer, 0.1, total_steps=steps, pct_start=warmup_share(steps))
    rates = []
    for _ in range(steps):
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        schedule.step()
    assert all(0 < rate <= 0.1 for rate in rates)
    assert warmup_share(steps) == (0.2 if steps == 10 else 0.1)


def test_a_network_is_trained_in_ten_steps() -> None:
    """Ten steps are what two passes over 8,193 to 10,240 declarations take."""
    rng = np.random.default_rng(1)
    rows = 4 * MODEL.network.batch_size + 1
    tokens = csr_lists(rows, np.arange(rows), rng.integers(1, 50, rows))
    none = np.full((rows, 1), -1)
    examples = NeighbourSample(
        np.arange(rows), np.ones(rows, bool), none, np.zeros_like(none), np.zeros((rows, 1), np.float32), np.array([0])
    )
    network = GraphNetwork(2, 1).to("meta")
    fit_network(
        network, Collator(tokens, tokens), examples, rng.integers(0, 2, rows), epochs=2, learning_rate=1e-3, seed=1
    )
