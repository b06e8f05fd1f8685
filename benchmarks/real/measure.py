"""A chart against public test sets: parents, directions and relations of edges, and pairs with a common origin."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import networkx as nx
import numpy as np
from sklearn.metrics import roc_auc_score, roc_curve

from atlas_db.core.arrays import Doubles
from benchmarks.real.public_sets import ExpectedEdge, ExpectedPair, PublicSet
from ingest.weights.fingerprints.fingerprint import Fingerprint
from ingest.weights.parameters.sample_parameters import SAMPLE
from ingest.weights.samples.aligned_samples import shared_positions
from ingest.weights.samples.clustering import cosine_views, max_cosine
from ingest.weights.tree.edge import Edge, above_threshold

MAX_FALSE_ALARMS = 0.01
"""Share of independent pairs that may be called related, as the papers of the sets allow."""
CONFIDENT = 0.9


@dataclass(slots=True)
class EdgeCounts:
    """Expected edges of one relation.

    Attributes:
        stated: All that the set states.
        possible: Those of which the child and a parent are here.
        parent: Of these, those whose child was given the right parent.
        relation: Of those, the ones with the right relation; the set's edges without one are left out of both.
        typed: Edges with the right parent for which the set states a relation.
        reversed: Possible edges that the chart has the other way round.
        other: Possible edges whose child was given other parents only.
        abstained: Possible edges whose child was given none.
    """

    stated: int = 0
    possible: int = 0
    parent: int = 0
    relation: int = 0
    typed: int = 0
    reversed: int = 0
    other: int = 0
    abstained: int = 0


@dataclass(slots=True)
class PairCounts:
    """Pairs of one kind.

    Attributes:
        stated: All that the set states, by pairs or families.
        here: Those of which both models are here.
        comparable: Of these, those with weights to compare at equal positions.
        joined: Those that the chart gives a common origin.
    """

    stated: int = 0
    here: int = 0
    comparable: int = 0
    joined: int = 0


@dataclass(slots=True)
class SetResult:
    """What a chart got right of one set.

    Attributes:
        name: The set.
        models: Models of the set.
        here: Those that were fingerprinted.
        edges: Counts by `ExpectedEdge.label`.
        given: Edges given to children of which a parent is here: all; right; from `CONFIDENT` on; of these right.
        without_parent: Edges given to children of which no stated parent is here.
        absent_origin: Children that were given an origin which is not here: with a stated parent here, and without.
        related: Counts of related pairs by the set's word.
        independent: Counts of independent pairs: all, and those of one architecture.
        compared: Related and independent pairs that `auc` and `tpr` rest on.
        disputed: Independent pairs left out, as other sets call their families related.
        auc: Area under the ROC curve of similarity; None without pairs of both sorts. What cannot be compared has
            similarity 0.
        tpr: Share of related pairs found at `MAX_FALSE_ALARMS`.
    """

    name: str
    models: int
    here: int
    edges: dict[str, EdgeCounts] = field(default_factory=lambda: defaultdict(EdgeCounts))
    given: list[int] = field(default_factory=lambda: [0, 0, 0, 0])
    without_parent: int = 0
    absent_origin: list[int] = field(default_factory=lambda: [0, 0])
    related: dict[str, PairCounts] = field(default_factory=lambda: defaultdict(PairCounts))
    independent: dict[str, PairCounts] = field(default_factory=lambda: defaultdict(PairCounts))
    disputed: int = 0
    compared: list[int] = field(default_factory=lambda: [0, 0])
    auc: float | None = None
    tpr: float | None = None


class Charted:
    """A chart, ready to be compared with sets.

    Args:
        prints: Fingerprints of the charted models.
        edges: The whole chart, edges below the threshold included.
        same: Ids that stand for others, by these: names of one repository.
        min_confidence: Confidence below which the chart abstains.
    """

    def __init__(
        self, prints: Iterable[Fingerprint], edges: Sequence[Edge], same: Mapping[str, str], min_confidence: float
    ) -> None:
        self.prints = {item.id: item for item in prints}
        self._same = same
        self.by_child: dict[str, list[Edge]] = defaultdict(list)
        self.absent_origin: set[str] = set()
        for edge in above_threshold(edges, min_confidence):
            if edge.parent in self.prints:
                self.by_child[edge.child].append(edge)
            else:
                self.absent_origin.add(edge.child)
        graph = nx.DiGraph((edge.parent, edge.child) for edge in edges)
        self._origins = {id: {id, *(nx.ancestors(graph, id) if id in graph else ())} for id in self.prints}

    def find(self, id: str) -> str:
        """Return the id under which a model was charted; empty where it was not."""
        known = self._same.get(id, id)
        return known if known in self.prints else ""

    def equal(self, first: str, second: str) -> bool:
        """Whether two models hold the same weights, so that no method separates them."""
        return first == second or self.prints[first].weights_hash == self.prints[second].weights_hash

    def joined(self, first: str, second: str) -> bool:
        """Whether the chart, guesses included, gives two models a common origin."""
        return not self._origins[first].isdisjoint(self._origins[second])


def measure(chosen: Sequence[PublicSet], known: Sequence[PublicSet], chart: Charted) -> list[SetResult]:
    """Compare a chart with sets.

    Args:
        chosen: The sets.
        known: All sets, the chosen ones among them: what one calls related, another one's families do not deny.
        chart: The chart.
    """
    related = nx.Graph()
    for each in known:
        related.add_edges_from((edge.child, parent) for edge in each.edges for parent in edge.parents)
        related.add_edges_from(pair.ids for pair in each.all_pairs() if pair.related)
    group = {id: number for number, part in enumerate(nx.connected_components(related)) for id in part}
    results = []
    for each in chosen:
        here = sum(bool(chart.find(model.id)) for model in each.models)
        result = SetResult(each.name, len(each.models), here)
        _measure_edges(result, each.edges, chart)
        _measure_pairs(result, each.all_pairs(), group, chart)
        results.append(result)
    return results


def _measure_edges(result: SetResult, edges: Iterable[ExpectedEdge], chart: Charted) -> None:
    expected: dict[str, list[ExpectedEdge]] = defaultdict(list)
    for edge in edges:
        counts = result.edges[edge.label]
        counts.stated += 1
        child = chart.find(edge.child)
        parents = [parent for each in edge.parents if (parent := chart.find(each)) and parent != child]
        if child:
            expected[child].append(edge)
        if child and parents:
            _measure_edge(counts, edge, child, parents, chart)
    for child, stated in expected.items():
        parents = [parent for edge in stated for each in edge.parents if (parent := chart.find(each))]
        result.absent_origin[not parents] += child in chart.absent_origin
        if not parents:
            result.without_parent += len(chart.by_child[child])
            continue
        for given in chart.by_child[child]:
            right = any(chart.equal(given.parent, parent) for parent in parents)
            confident = given.confidence >= CONFIDENT
            found = (True, right, confident, confident and right)
            result.given = [a + b for a, b in zip(result.given, found, strict=True)]


def _measure_edge(counts: EdgeCounts, edge: ExpectedEdge, child: str, parents: list[str], chart: Charted) -> None:
    counts.possible += 1
    given = chart.by_child[child]
    right = [each for each in given if any(chart.equal(each.parent, parent) for parent in parents)]
    if right:
        counts.parent += 1
        if edge.relations:
            counts.typed += 1
            counts.relation += any(each.relation in edge.relations for each in right)
    elif any(back.parent == child for parent in parents for back in chart.by_child[parent]):
        counts.reversed += 1
    elif given:
        counts.other += 1
    else:
        counts.abstained += 1


def _measure_pairs(result: SetResult, pairs: Iterable[ExpectedPair], group: Mapping[str, int], chart: Charted) -> None:
    scores: list[float] = []
    truth: list[bool] = []
    for pair in pairs:
        if not pair.related and pair.first in group and group[pair.first] == group.get(pair.second):
            result.disputed += 1
            continue
        counts = [result.related[pair.kind] if pair.related else result.independent["all"]]
        first, second = chart.find(pair.first), chart.find(pair.second)
        here = bool(first and second and first != second)
        if here and not pair.related and chart.prints[first].family_key == chart.prints[second].family_key:
            counts.append(result.independent["one architecture"])
        score = similarity(chart.prints[first], chart.prints[second]) if here else None
        for each in counts:
            each.stated += 1
            each.here += here
            each.comparable += score is not None
            each.joined += here and chart.joined(first, second)
        if here:
            scores.append(score or 0.0)
            truth.append(pair.related)
    result.compared = [sum(truth), len(truth) - sum(truth)]
    if all(result.compared):
        result.auc = float(roc_auc_score(truth, scores))
        result.tpr = found_at(np.array(scores), np.array(truth))


def found_at(scores: Doubles, truth: np.ndarray, false_alarms: float = MAX_FALSE_ALARMS) -> float:
    """Return the share of true pairs above the threshold that a share of the others passes at most."""
    false, true, _ = roc_curve(truth, scores, drop_intermediate=False)
    return float(true[false <= false_alarms].max())


def similarity(first: Fingerprint, second: Fingerprint) -> float | None:
    """Return the larger cosine of two samples: of all tensors, or of the vocabulary, as families are found.

    Returns:
        0 to 1; None where the models share too few positions (`SAMPLE.min_shared_tensors`), and for adapters.
    """
    if first.adapter or second.adapter:
        return None
    one, other = (shared_positions([item.sample]) for item in (first, second))
    ours, theirs = one.shared_with(other)
    if len(ours.tensor) < max(SAMPLE.min_shared_tensors * min(len(one.tensor), len(other.tensor)), 1):
        return None
    return float(max_cosine(cosine_views(ours, ours.values()), cosine_views(theirs, theirs.values()))[0, 0])
