"""How good completion is: the past learnt, the months after it completed, beside every baseline in the same run."""

from __future__ import annotations

import numpy as np

from atlas_db.columnar.graph import Graph, days
from atlas_db.core.arrays import Doubles, Flags, Integers
from atlas_db.core.errors import CompletionError
from atlas_db.core.terms import Progress
from gnn.dataset.deduplicate import originals
from gnn.dataset.grouping_keys import nth_parent, roots
from gnn.dataset.hashed_tokens import Known
from gnn.dataset.tasks import RELATION, Task, lineage_shown, values_of
from gnn.evaluation.ranking_baselines import list_baselines
from gnn.evaluation.results import Scores
from gnn.evaluation.single_value_baselines import BASELINES, Answer
from gnn.features.neighbours import NET, Around, Query, Table
from gnn.models.attribute_model import Completer, Ranked
from gnn.models.calibration import calibration_error, reliability
from gnn.models.training import is_true, learn

CUTOFF, UNTIL = "2024-04-01T00:00:00Z", "2024-06-01T00:00:00Z"
"""The temporal split of the July 2024 list, chosen before anything was tuned: learnt before, tested between."""
TESTED = 30_000
RESAMPLES = 300
COVERAGES = (0.5, 0.8, 0.9)


def split(graph: Graph, task: Task, kind: str, cutoff: float, until: float, seed: int = 1) -> tuple[Flags, Integers]:
    """Return whose declarations are visible, and which models are tested; of copied cards the oldest alone.

    Args:
        graph: The graph.
        task: The attribute.
        kind: temporal: tested are the months after a date. random: a tenth of all models. authors: all models of a
            tenth of the authors. families: all models of a tenth of the roots with children. lacking: a random tenth,
            drawn like the models that lack the attribute: by month, by having tags, by having a parent.
        cutoff: Days since 1970; for temporal.
        until: End of the test, days since 1970.
        seed: Of the draw.

    Raises:
        CompletionError: Nothing is left to learn from, or to test on.
    """
    rng = np.random.default_rng(seed)
    labelled = (values_of(graph, task.attribute).held.counts > 0) & ~graph.placeholder
    original = originals(graph)
    if kind == "temporal":
        visible = graph.created < cutoff
        tested = labelled & ~visible & (graph.created < until)
    else:
        # Copies of what is tested are hidden with it.
        drawn = _drawn(graph, kind, labelled, rng)[original]
        tested, visible = labelled & drawn, ~drawn
    rows = np.flatnonzero(tested & (original == np.arange(len(graph))))
    if not len(rows) or not (visible & labelled).any():
        raise CompletionError(
            f"the {kind} split leaves nothing to learn from or to test {task.attribute} on",
            hint="Load more models, or choose another --cutoff",
        )
    if len(rows) > TESTED:
        rows = np.sort(rng.choice(rows, TESTED, replace=False))
    return visible, rows


def _drawn(graph: Graph, kind: str, labelled: Flags, rng: np.random.Generator) -> Flags:
    if kind == "random":
        return rng.random(len(graph)) < 0.1
    if kind == "authors":
        return (rng.random(len(graph.authors) + 1) < 0.1)[graph.author]
    if kind == "families":
        root = roots(nth_parent(graph, 0))
        tops = np.unique(root[root >= 0])
        return np.isin(root, rng.permutation(tops)[: max(1, len(tops) // 10)])
    month = (graph.created // 91).astype(np.int64)
    kinds = month * 4 + 2 * (graph.columns["tags"].held.counts > 0) + (graph.parents.counts > 0)
    kinds -= kinds.min()
    have, lack = np.bincount(kinds[labelled]), np.bincount(kinds[~labelled & ~graph.placeholder])
    size = max(len(have), len(lack))
    have, lack = np.pad(have, (0, size - len(have))), np.pad(lack, (0, size - len(lack)))
    rate = lack / max(lack.sum(), 1) * labelled.sum() * 0.1 / np.maximum(have, 1)
    return np.asarray(rng.random(len(graph)) < np.minimum(rate, 0.5)[kinds])


def evaluate(
    graph: Graph, task: Task, kind: str = "temporal", cutoff: str = CUTOFF, until: str = UNTIL, *,
    baselines: bool = True, progress: Progress = lambda *_: None,
) -> list[Scores]:  # fmt: skip
    """Learn on what a split leaves visible and complete the rest, in both views.

    Raises:
        CompletionError: There is too little to learn from.
    """
    visible, rows = split(graph, task, kind, days(cutoff), days(until))
    known = Known(graph, lineage=lineage_shown(task.attribute), relation=task.attribute != RELATION)
    around = Around(graph, task, known, visible)
    completer = learn(around, compare=task.many, progress=progress)
    moment = days(cutoff) if kind == "temporal" else float(graph.created.max()) + 1
    found = []
    for view in ("field", "bare"):
        query = Query(rows, np.full(len(rows), moment), np.full(len(rows), view == "field"))
        scores = Scores(task.attribute, kind, view, len(rows))
        progress(f"Evaluate {task.attribute}: {view}", 0, 0)
        (_judge_lists if task.many else _judge)(around, completer, query, scores, baselines)
        found.append(scores)
    return found


def _judge(around: Around, completer: Completer, query: Query, scores: Scores, baselines: bool) -> None:
    table, shipped, alone = _heard(around, completer, query)
    trees = completer.judge(around, query, table, completer.ranker.without_net(table.features))
    answers: dict[str, Answer] = {}
    if baselines:
        answers = {name: method(around, query) for name, method in BASELINES.items()}
    answers["network alone"] = alone.best(len(query))
    answers["trees"], answers["ships"] = trees.best(len(query)), shipped.best(len(query))
    for name, answer in answers.items():
        scores.rows.append({"method": name, **figures(around, query, answer)})
    limit = completer.calibration.threshold
    for name in ("trees", "ships"):
        values, sure = answers[name]
        said = sure >= limit
        right = correct(around, query, values)
        row = scores.rows[-1 if name == "ships" else -2]
        row["said"] = round(float(said.mean()), 4)
        row["precision"] = round(float(right[said].mean()), 4) if said.any() else None
    scores.rows[-1]["conformal coverage"] = round(_covered(around, query, shipped, completer), 4)
    scores.gain = gains(around, query, answers["ships"], answers["trees"])
    values, sure = answers["ships"]
    scores.reliability = reliability(sure, correct(around, query, values))


def _judge_lists(around: Around, completer: Completer, query: Query, scores: Scores, baselines: bool) -> None:
    table, shipped, alone = _heard(around, completer, query)
    both = completer.judge(around, query, table, completer.ranker.with_net(table.features))
    answers = list_baselines(around, query) if baselines else {}
    answers |= {"network alone": alone, "trees and network": both, "ships": shipped}
    for name, ranked in answers.items():
        scores.rows.append({"method": name, **ranking(around, query, ranked)})
    values, sure = shipped.best(len(query))
    right = correct(around, query, values)
    scores.gain = {"hits@1": interval(around, query, correct(around, query, both.best(len(query))[0]) - right)}
    scores.reliability = reliability(sure, right)


def _heard(around: Around, completer: Completer, query: Query) -> tuple[Table, Ranked, Ranked]:
    """Return the candidates, what ships, and the network alone."""
    table, shipped = completer.rank(around, query)
    chance = np.nan_to_num(np.exp(table.features[:, -len(NET)].astype(np.float64)))
    return table, shipped, Ranked(table.places, table.values, chance, chance)


def _covered(around: Around, query: Query, ranked: Ranked, completer: Completer) -> float:
    true = is_true(around, query.rows[ranked.places], ranked.values)
    inside = true & (ranked.probability >= completer.calibration.conformal)
    return len(np.unique(ranked.places[inside])) / len(query)


def correct(around: Around, query: Query, values: Integers) -> Doubles:
    """Return one where a model declares the value, else zero, shape (q,)."""
    return np.asarray(is_true(around, query.rows, np.maximum(values, 0)) & (values >= 0), np.float64)


def figures(around: Around, query: Query, answer: Answer) -> dict[str, float]:
    """Return accuracy (over models, over authors, by subgroup), macro-F1, calibration error, selective accuracy."""
    values, sure = answer
    right = correct(around, query, values)
    author = around.graph.author[query.rows]
    _, group, counts = np.unique(author, return_inverse=True, return_counts=True)
    order = np.argsort(-sure, kind="stable")
    table = {
        "accuracy": right.mean(),
        "over authors": (np.bincount(group, right) / counts).mean(),
        "macro-F1": macro_f1(around.column.held.first[query.rows], values),
        "ECE": calibration_error(np.clip(sure, 0, 1), right),
        **{f"at {round(100 * part)} %": right[order[: max(1, int(part * len(order)))]].mean() for part in COVERAGES},
    }
    parent = around.graph.parents.counts[query.rows] > 0
    known = np.isin(author, around.graph.author[around.labels.rows]) & (author >= 0)
    for name, chosen in (("with parent", parent), ("author only", known & ~parent), ("isolated", ~known & ~parent)):
        if chosen.any():
            table[name] = right[chosen].mean()
    return {name: round(float(value), 4) for name, value in table.items()}


def macro_f1(truth: Integers, values: Integers) -> float:
    """Mean over declared values of F1."""
    size = int(max(truth.max(), values.max())) + 1
    hit = np.bincount(truth[truth == values], minlength=size)
    have, said = np.bincount(truth, minlength=size), np.bincount(values[values >= 0], minlength=size)
    present = have > 0
    return float((2 * hit[present] / np.maximum(have[present] + said[present], 1)).mean())


def ranking(around: Around, query: Query, ranked: Ranked) -> dict[str, float]:
    """Return how often and how far up the truth stands: hits, mean reciprocal rank, recall, and calibration error.

    micro-F1 is that of all values said to be likelier than not; candidates, how often the truth is among them.
    """
    order, rank = ranked.ranks()
    places = ranked.places[order]
    true = is_true(around, query.rows[places], ranked.values[order])
    best = np.full(len(query), np.inf)
    np.minimum.at(best, places[true], rank[true] + 1.0)
    found = np.bincount(places[true & (rank < 5)], minlength=len(query))
    declared = around.column.held.counts[query.rows]
    first = rank == 0
    said = ranked.probability[order] >= 0.5
    return {
        "hits@1": round(float((best == 1).mean()), 4),
        "hits@10": round(float((best <= 10).mean()), 4),
        "MRR": round(float((1 / best).mean()), 4),
        "recall@5": round(float((found / np.maximum(declared, 1)).mean()), 4),
        "micro-F1": round(float(2 * (true & said).sum() / max(said.sum() + declared.sum(), 1)), 4),
        "candidates": round(float(np.isfinite(best).mean()), 4),
        "ECE": round(calibration_error(ranked.probability[order][first], true[first].astype(np.float64)), 4),
    }


def gains(around: Around, query: Query, first: Answer, second: Answer) -> dict[str, tuple[float, float, float]]:
    """Return how much better one answer is: accuracy, and accuracy at 80 % coverage of each one's own choice."""
    right = [correct(around, query, values) for values, _ in (first, second)]
    kept = []
    for (_, sure), each in zip((first, second), right, strict=True):
        order = np.argsort(-sure, kind="stable")[: int(0.8 * len(sure))]
        chosen = np.zeros(len(sure))
        chosen[order] = each[order] / 0.8
        kept.append(chosen)
    return {
        "accuracy": interval(around, query, right[0] - right[1]),
        "at 80 %": interval(around, query, kept[0] - kept[1]),
    }


def interval(around: Around, query: Query, difference: Doubles, seed: int = 1) -> tuple[float, float, float]:
    """Return a mean with its 95 % interval, whole authors resampled (paired bootstrap)."""
    _, group = np.unique(around.graph.author[query.rows], return_inverse=True)
    sums, counts = np.bincount(group, difference), np.bincount(group)
    rng = np.random.default_rng(seed)
    means = np.empty(RESAMPLES)
    for place in range(RESAMPLES):
        drawn = np.bincount(rng.integers(0, len(sums), len(sums)), minlength=len(sums))
        means[place] = np.dot(drawn, sums) / np.maximum(np.dot(drawn, counts), 1)
    low, high = (float(np.quantile(means, part)) for part in (0.025, 0.975))
    return round(float(difference.mean()), 4), round(low, 4), round(high, 4)
