"""Evaluation of completion and of every baseline in one run: fitted on the past, measured on the months after it."""

from __future__ import annotations

import numpy as np

from atlas_db.columnar.graph import Graph, days_since_epoch
from atlas_db.core.arrays import Doubles, Flags, Integers
from atlas_db.core.errors import CompletionError
from atlas_db.core.terms import Progress
from gnn.dataset.deduplicate import deduplicate_cards
from gnn.dataset.grouping_keys import nth_parent, roots
from gnn.dataset.hashed_tokens import TokenTable
from gnn.dataset.neighbourhood import Neighbourhood
from gnn.dataset.query import CompletionQuery
from gnn.dataset.tasks import RELATION, Task, target_column, uses_lineage
from gnn.evaluation.evaluation_report import EvaluationReport
from gnn.evaluation.ranking_baselines import list_baselines
from gnn.evaluation.single_value_baselines import BASELINES, Answer
from gnn.features.candidate_table import NETWORK_FEATURES, CandidateTable
from gnn.models.attribute_model import AttributeModel, RankedCandidates
from gnn.models.calibration import calibration_error, reliability_curve
from gnn.models.training import fit_attribute_model, is_declared
from gnn.parameters.evaluation_parameters import EVALUATION

CUTOFF, UNTIL = "2024-04-01T00:00:00Z", "2024-06-01T00:00:00Z"
"""Temporal split of the July 2024 list, chosen before anything was tuned: training before, test between."""
VIEWS = ("with_metadata", "cold_start")
"""Views of a tested model: with its metadata but for the target, and with id, date and lineage only."""
_SPLIT = EVALUATION.split


def split(graph: Graph, task: Task, kind: str, cutoff: float, until: float, seed: int = 1) -> tuple[Flags, Integers]:
    """Return a split of the models into visible ones and tested ones; of copied cards only the oldest is tested.

    Args:
        graph: The graph.
        task: The attribute.
        kind: What is tested. `temporal`: the months after a date. `random`: a tenth of all models. `authors`: all
            models of a tenth of the authors. `families`: all models of a tenth of the roots with children. `missing`: a
            tenth that is distributed over quarters, having tags and having a parent like the models without the
            attribute.
        cutoff: Start of the test of a temporal split, days since 1970.
        until: End of it, days since 1970.
        seed: Seed of the draw.

    Returns:
        Whether the declarations of each model are visible, shape (models,); rows of the tested ones, shape (q,).

    Raises:
        CompletionError: Nothing is left to learn from, or to test on.
    """
    rng = np.random.default_rng(seed)
    labelled = (target_column(graph, task.attribute).codes.counts > 0) & ~graph.placeholder
    oldest_copy = deduplicate_cards(graph)
    if kind == "temporal":
        visible = graph.created < cutoff
        tested = labelled & ~visible & (graph.created < until)
    else:
        # Copies of tested cards are hidden, too.
        drawn = _drawn(graph, kind, labelled, rng)[oldest_copy]
        tested, visible = labelled & drawn, ~drawn
    rows = np.flatnonzero(tested & (oldest_copy == np.arange(len(graph))))
    if not len(rows) or not (visible & labelled).any():
        raise CompletionError(
            f"the {kind} split leaves nothing to learn from or to test {task.attribute} on",
            hint="Load more models, or choose another --cutoff",
        )
    if len(rows) > _SPLIT.max_tested:
        rows = np.sort(rng.choice(rows, _SPLIT.max_tested, replace=False))
    return visible, rows


def _drawn(graph: Graph, kind: str, labelled: Flags, rng: np.random.Generator) -> Flags:
    """Return whether each model is drawn for the test, shape (models,)."""
    if kind == "random":
        return rng.random(len(graph)) < _SPLIT.drawn_share
    if kind == "authors":
        return (rng.random(len(graph.authors) + 1) < _SPLIT.drawn_share)[graph.author]
    if kind == "families":
        root = roots(nth_parent(graph, 0))
        tops = np.unique(root[root >= 0])
        return np.isin(root, rng.permutation(tops)[: max(1, len(tops) // 10)])
    return _drawn_like_missing(graph, labelled, rng)


def _drawn_like_missing(graph: Graph, labelled: Flags, rng: np.random.Generator) -> Flags:
    """Return a draw whose distribution over strata is that of the models without the attribute, shape (models,)."""
    quarter = (graph.created // _SPLIT.stratum_days).astype(np.int64)
    stratum = quarter * 4 + 2 * (graph.columns["tags"].codes.counts > 0) + (graph.parents.counts > 0)
    stratum -= stratum.min()
    have, lack = np.bincount(stratum[labelled]), np.bincount(stratum[~labelled & ~graph.placeholder])
    size = max(len(have), len(lack))
    have, lack = np.pad(have, (0, size - len(have))), np.pad(lack, (0, size - len(lack)))
    rate = lack / max(lack.sum(), 1) * labelled.sum() * _SPLIT.drawn_share / np.maximum(have, 1)
    return np.asarray(rng.random(len(graph)) < np.minimum(rate, _SPLIT.max_drawn_share)[stratum])


def evaluate(
    graph: Graph, task: Task, kind: str = "temporal", cutoff: str = CUTOFF, until: str = UNTIL, *,
    baselines: bool = True, network: bool = False, progress: Progress = lambda *_: None,
) -> list[EvaluationReport]:  # fmt: skip
    """Return the metrics of completion and of every baseline on one split, a report for each view.

    Args:
        graph: The graph.
        task: The attribute.
        kind: The split, as `split` names it.
        cutoff: Date up to which a temporal split is fitted.
        until: Date up to which it is tested.
        baselines: Whether the baselines are run, too.
        network: Whether a graph network takes part; then trees without it, and it alone, are measured, too.
        progress: Called with stage, done and total.

    Raises:
        CompletionError: There is too little to learn from.
    """
    visible, rows = split(graph, task, kind, days_since_epoch(cutoff), days_since_epoch(until))
    token_table = TokenTable(graph, lineage=uses_lineage(task.attribute), relation=task.attribute != RELATION)
    neighbourhood = Neighbourhood(graph, task, token_table, visible)
    attribute_model = fit_attribute_model(neighbourhood, network=network, progress=progress)
    query_cutoff = days_since_epoch(cutoff) if kind == "temporal" else float(graph.created.max()) + 1
    reports = []
    for view in VIEWS:
        query = CompletionQuery(rows, np.full(len(rows), query_cutoff), np.full(len(rows), view == VIEWS[0]))
        report = EvaluationReport(task.attribute, kind, view, len(rows))
        progress(f"Evaluate {task.attribute}: {view}", 0, 0)
        (_score_lists if task.multi_valued else _score_single_values)(
            neighbourhood, attribute_model, query, report, baselines
        )
        reports.append(report)
    return reports


def _score_single_values(
    neighbourhood: Neighbourhood,
    attribute_model: AttributeModel,
    query: CompletionQuery,
    report: EvaluationReport,
    baselines: bool,
) -> None:
    """Fill the report of an attribute with one value a model."""
    table, shipped, network_alone = _ranked_and_network_alone(neighbourhood, attribute_model, query)
    answers: dict[str, Answer] = {}
    if baselines:
        answers = {name: method(neighbourhood, query) for name, method in BASELINES.items()}
    if network_alone is not None:
        tabular_scores = attribute_model.ranker.tabular_score(table.features)
        trees = attribute_model.calibrated(neighbourhood, query, table, tabular_scores)
        answers["network alone"], answers["trees"] = (each.top_values(len(query)) for each in (network_alone, trees))
    answers["atlas-db"] = shipped.top_values(len(query))
    for name, answer in answers.items():
        report.rows.append({"method": name, **single_value_metrics(neighbourhood, query, answer)})
    threshold = attribute_model.calibration.threshold
    for row in report.rows:
        if row["method"] not in ("trees", "atlas-db"):
            continue
        values, confidence = answers[row["method"]]
        is_predicted = confidence >= threshold
        is_correct = is_correct_value(neighbourhood, query, values)
        row["coverage"] = round(float(is_predicted.mean()), 4)
        row["precision"] = round(float(is_correct[is_predicted].mean()), 4) if is_predicted.any() else None
    report.rows[-1]["conformal coverage"] = round(
        _conformal_coverage(neighbourhood, query, shipped, attribute_model), 4
    )
    if network_alone is not None:
        report.gain = paired_differences(neighbourhood, query, answers["atlas-db"], answers["trees"])
    values, confidence = answers["atlas-db"]
    report.reliability = reliability_curve(confidence, is_correct_value(neighbourhood, query, values))


def _score_lists(
    neighbourhood: Neighbourhood,
    attribute_model: AttributeModel,
    query: CompletionQuery,
    report: EvaluationReport,
    baselines: bool,
) -> None:
    """Fill the report of an attribute with several values a model."""
    table, shipped, network_alone = _ranked_and_network_alone(neighbourhood, attribute_model, query)
    answers = list_baselines(neighbourhood, query) if baselines else {}
    if network_alone is not None:
        stacked_scores = attribute_model.ranker.stacked_score(table.features)
        stacked = attribute_model.calibrated(neighbourhood, query, table, stacked_scores)
        answers |= {"network alone": network_alone, "trees and network": stacked}
    answers["atlas-db"] = shipped
    for name, ranked in answers.items():
        report.rows.append({"method": name, **ranking_metrics(neighbourhood, query, ranked)})
    values, confidence = shipped.top_values(len(query))
    is_correct = is_correct_value(neighbourhood, query, values)
    if network_alone is not None:
        with_network = is_correct_value(neighbourhood, query, stacked.top_values(len(query))[0])
        report.gain = {"hits@1": bootstrap_interval(neighbourhood, query, with_network - is_correct)}
    report.reliability = reliability_curve(confidence, is_correct)


def _ranked_and_network_alone(
    neighbourhood: Neighbourhood, attribute_model: AttributeModel, query: CompletionQuery
) -> tuple[CandidateTable, RankedCandidates, RankedCandidates | None]:
    """Return the candidates, their ranking by the shipped model, and their ranking by the network alone if any."""
    table, shipped = attribute_model.rank(neighbourhood, query)
    if attribute_model.network is None:
        return table, shipped, None
    probability = np.nan_to_num(np.exp(table.features[:, -len(NETWORK_FEATURES)].astype(np.float64)))
    return table, shipped, RankedCandidates(table.query_index, table.values, probability, probability)


def _conformal_coverage(
    neighbourhood: Neighbourhood, query: CompletionQuery, ranked: RankedCandidates, attribute_model: AttributeModel
) -> float:
    """Return the share of models whose conformal prediction set holds a declared value."""
    is_true = is_declared(neighbourhood, query.rows[ranked.query_index], ranked.values)
    in_set = is_true & (ranked.probability >= attribute_model.calibration.conformal_quantile)
    return len(np.unique(ranked.query_index[in_set])) / len(query)


def is_correct_value(neighbourhood: Neighbourhood, query: CompletionQuery, values: Integers) -> Doubles:
    """Return 1 where a model declares the value, else 0, shape (q,); -1 is no value."""
    return np.asarray(is_declared(neighbourhood, query.rows, np.maximum(values, 0)) & (values >= 0), np.float64)


def single_value_metrics(neighbourhood: Neighbourhood, query: CompletionQuery, answer: Answer) -> dict[str, float]:
    """Return accuracy, macro-F1, calibration error and selective accuracy of predicted values.

    Accuracy is the mean over models, over authors (each author's mean counts once), and over subgroups. The subgroups
    are models with a parent, other models of authors with visible declarations, and the rest.

    Args:
        neighbourhood: Visible declarations, and the truth.
        query: Tested models, shape (q,).
        answer: Predicted value and confidence of each, both shape (q,).
    """
    values, confidence = answer
    correct = is_correct_value(neighbourhood, query, values)
    author = neighbourhood.graph.author[query.rows]
    _, group, counts = np.unique(author, return_inverse=True, return_counts=True)
    order = np.argsort(-confidence, kind="stable")
    table = {
        "accuracy": correct.mean(),
        "over authors": (np.bincount(group, correct) / counts).mean(),
        "macro-F1": macro_f1(neighbourhood.column.codes.first[query.rows], values),
        "ECE": calibration_error(np.clip(confidence, 0, 1), correct),
        **{
            f"at {round(100 * part)} %": correct[order[: max(1, int(part * len(order)))]].mean()
            for part in _SPLIT.coverages
        },
    }
    parent = neighbourhood.graph.parents.counts[query.rows] > 0
    known = np.isin(author, neighbourhood.graph.author[neighbourhood.events.rows]) & (author >= 0)
    for name, chosen in (("with parent", parent), ("author only", known & ~parent), ("isolated", ~known & ~parent)):
        if chosen.any():
            table[name] = correct[chosen].mean()
    return {name: round(float(value), 4) for name, value in table.items()}


def macro_f1(truth: Integers, values: Integers) -> float:
    """Return the mean F1 over declared values.

    Args:
        truth: Declared value of each model, shape (q,).
        values: Predicted value of each, -1 for none, shape (q,).
    """
    size = int(max(truth.max(), values.max())) + 1
    true_positives = np.bincount(truth[truth == values], minlength=size)
    declared, predicted = np.bincount(truth, minlength=size), np.bincount(values[values >= 0], minlength=size)
    present = declared > 0
    return float((2 * true_positives[present] / np.maximum(declared[present] + predicted[present], 1)).mean())


def ranking_metrics(neighbourhood: Neighbourhood, query: CompletionQuery, ranked: RankedCandidates) -> dict[str, float]:
    """Return hits at 1 and 10, mean reciprocal rank, recall at 5, micro-F1, candidate recall and calibration error.

    Ranks are those of a model's first true candidate. Micro-F1 counts candidates with a probability of one half or more
    as predicted. `candidates` is the share of models with a true candidate.

    Args:
        neighbourhood: Visible declarations, and the truth.
        query: Tested models, shape (q,).
        ranked: Their candidates.
    """
    order, rank = ranked.order_and_rank()
    query_index = ranked.query_index[order]
    is_true = is_declared(neighbourhood, query.rows[query_index], ranked.values[order])
    best_rank = np.full(len(query), np.inf)
    np.minimum.at(best_rank, query_index[is_true], rank[is_true] + 1.0)
    true_in_five = np.bincount(query_index[is_true & (rank < 5)], minlength=len(query))
    declared = neighbourhood.column.codes.counts[query.rows]
    first = rank == 0
    is_predicted = ranked.probability[order] >= 0.5
    return {
        "hits@1": round(float((best_rank == 1).mean()), 4),
        "hits@10": round(float((best_rank <= 10).mean()), 4),
        "MRR": round(float((1 / best_rank).mean()), 4),
        "recall@5": round(float((true_in_five / np.maximum(declared, 1)).mean()), 4),
        "micro-F1": round(float(2 * (is_true & is_predicted).sum() / max(is_predicted.sum() + declared.sum(), 1)), 4),
        "candidates": round(float(np.isfinite(best_rank).mean()), 4),
        "ECE": round(calibration_error(ranked.probability[order][first], is_true[first].astype(np.float64)), 4),
    }


def paired_differences(
    neighbourhood: Neighbourhood, query: CompletionQuery, first: Answer, second: Answer
) -> dict[str, tuple[float, float, float]]:
    """Return the gain of one answer over another in accuracy, and in accuracy on its own 80 % of highest confidence.

    Args:
        neighbourhood: Visible declarations, and the truth.
        query: Tested models, shape (q,).
        first: Predicted values and confidence, both shape (q,).
        second: The same of the answer that it is compared with.

    Returns:
        By metric: mean difference, and the bounds of its 95 % interval.
    """
    correct = [is_correct_value(neighbourhood, query, values) for values, _ in (first, second)]
    selective = []
    for (_, confidence), each in zip((first, second), correct, strict=True):
        order = np.argsort(-confidence, kind="stable")[: int(0.8 * len(confidence))]
        chosen = np.zeros(len(confidence))
        chosen[order] = each[order] / 0.8
        selective.append(chosen)
    return {
        "accuracy": bootstrap_interval(neighbourhood, query, correct[0] - correct[1]),
        "accuracy on the most confident 80 %": bootstrap_interval(neighbourhood, query, selective[0] - selective[1]),
    }


def bootstrap_interval(
    neighbourhood: Neighbourhood, query: CompletionQuery, difference: Doubles, seed: int = 1
) -> tuple[float, float, float]:
    """Return a mean difference and the bounds of its 95 % interval by a paired bootstrap over authors.

    Args:
        neighbourhood: Authors of the models.
        query: Tested models, shape (q,).
        difference: Difference of two methods for each model, shape (q,).
        seed: Seed of the resampling.
    """
    _, group = np.unique(neighbourhood.graph.author[query.rows], return_inverse=True)
    sums, counts = np.bincount(group, difference), np.bincount(group)
    rng = np.random.default_rng(seed)
    means = np.empty(_SPLIT.resamples)
    for number in range(_SPLIT.resamples):
        drawn = np.bincount(rng.integers(0, len(sums), len(sums)), minlength=len(sums))
        means[number] = np.dot(drawn, sums) / np.maximum(np.dot(drawn, counts), 1)
    low, high = (float(np.quantile(means, part)) for part in (0.025, 0.975))
    return round(float(difference.mean()), 4), round(low, 4), round(high, 4)
