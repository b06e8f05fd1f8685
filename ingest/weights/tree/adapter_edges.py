"""Edges of adapters that are stored alone: the base among the models that fit."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from datetime import datetime
from pathlib import Path
from typing import NamedTuple, Self

import numpy as np

from atlas_db.core.arrays import Doubles
from atlas_db.core.errors import WeightsError
from atlas_db.core.terms import Relation
from atlas_db.fusion.evidence import AdapterEvidence
from ingest.formats.open_model import open_model
from ingest.weights.adapters.base_choice import Measured, base_probabilities, features, fitting_modules, measure
from ingest.weights.adapters.base_matrices import BaseMatrices
from ingest.weights.adapters.traces import AdapterTraces, read_traces
from ingest.weights.fingerprints.fingerprint import Fingerprint
from ingest.weights.parameters.adapter_parameters import ADAPTER
from ingest.weights.parameters.confidence_parameters import CONFIDENCE
from ingest.weights.tree.edge import Edge, known_date, root_of
from ingest.weights.tree.scorer import load_scorer, runner_ups

MAX_OPEN_MODELS = 64
"""Models whose files are open at once."""
_LEAVES = frozenset({Relation.QUANTIZED, Relation.DUPLICATE, Relation.ADAPTER})


class BaseChoice(NamedTuple):
    """The models that may be the base of an adapter.

    Attributes:
        adapter: The adapter.
        kind: Its kind.
        members: The models.
        measured: How they fit.
        table: Features of the choice, shape (members, 7).
    """

    adapter: Fingerprint
    kind: str
    members: list[Fingerprint]
    measured: Measured
    table: Doubles


def adapter_edges(
    prints: Sequence[Fingerprint], edges: Sequence[Edge], *, time: bool, declared: bool = False
) -> list[Edge]:
    """Return an edge for every adapter whose weights, and those of its family, can be read.

    The confidence is below one half where the models here are too much alike, or the base may not be among them.

    Args:
        prints: Fingerprints of all models.
        edges: The chart of the others.
        time: Whether dates count as evidence.
        declared: Whether the base that an adapter's configuration names is trusted.
    """
    known = {item.id for item in prints if not item.adapter}
    named = [item for item in prints if declared and item.adapter and item.declared_base in known]
    found = [
        Edge(item.id, item.declared_base, Relation.ADAPTER, CONFIDENCE.declared_base, AdapterEvidence(declared=True))
        for item in named
    ]
    done = {item.id for item in named}
    weights = np.array(load_scorer(True).adapter)
    for choice in base_choices([item for item in prints if item.id not in done], edges, time=time):
        probabilities = base_probabilities(choice.measured, choice.table @ weights)
        best = int(np.argmax(probabilities))
        others = runner_ups(probabilities, best)
        evidence = AdapterEvidence(
            kind=choice.kind,
            z=round(float(choice.measured.z()[best]), 1),
            equal_table=None if choice.measured.equal is None else choice.measured.equal[best],
            absent=round(1 - float(probabilities.sum()), 3),
            rank=choice.adapter.rank or None,
            alternatives={choice.members[at].id: round(share, 3) for at, share in others},
        )
        parent = choice.members[best].id
        found.append(Edge(choice.adapter.id, parent, Relation.ADAPTER, float(probabilities[best]), evidence))
    return found


def base_choices(prints: Sequence[Fingerprint], edges: Sequence[Edge], *, time: bool) -> Iterator[BaseChoice]:
    """Yield the choice of each adapter that fits a family above chance."""
    parent: dict[str, str] = {}
    for edge in edges:
        parent.setdefault(edge.child, edge.parent)
    leaves = {edge.child for edge in edges if edge.relation in _LEAVES}
    children = Counter(edge.parent for edge in edges)
    trees: dict[str, list[Fingerprint]] = defaultdict(list)
    order = sorted(prints, key=lambda item: (item.id in parent, -children[item.id], item.id))
    for item in order:
        if not item.adapter and item.id not in leaves and item.location:
            trees[root_of(item.id, parent)].append(item)
    with _OpenModels() as models:
        for adapter in (item for item in prints if item.adapter):
            traces = _traces(adapter)
            if traces is None:
                continue
            members = _fitting_members(traces, list(trees.values()), models)
            bases = [models.base(item) for item in members]
            measured = measure(traces, [base for base in bases if base is not None]) if members else None
            if measured is not None:
                table = features(measured, _parents(members, parent), _later(adapter, members, time=time))
                yield BaseChoice(adapter, traces.kind, members, measured, table)


class _OpenModels:
    """Models opened as possible bases; those that were used last stay open."""

    def __init__(self) -> None:
        self._open: dict[str, tuple[ExitStack, BaseMatrices | None]] = {}
        self._fitting: dict[tuple[str, int, frozenset[str]], int] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for stack, _base in self._open.values():
            stack.close()

    def base(self, item: Fingerprint) -> BaseMatrices | None:
        """Return a model's matrices, None where it cannot be read."""
        found = self._open.pop(item.id, None)
        if found is None:
            stack, base = ExitStack(), None
            try:
                base = BaseMatrices(stack.enter_context(open_model(Path(item.location))))
            except (WeightsError, OSError):
                stack.close()
            found = stack, base
            if len(self._open) >= MAX_OPEN_MODELS:
                self._open.pop(next(iter(self._open)))[0].close()
        self._open[item.id] = found
        return found[1]

    def fitting(self, item: Fingerprint, traces: AdapterTraces) -> int:
        """Return how many modules of an adapter a model has; models of one architecture and size have the same."""
        layout = frozenset(f"{each.module}{each.shape}" for each in traces.updates)
        key = (item.family_key, item.elements, layout | {f"{each.module} {each.role}" for each in traces.copies})
        if key not in self._fitting:
            base = self.base(item)
            if base is None:
                return 0
            self._fitting[key] = fitting_modules(traces, base)
        return self._fitting[key]


def _traces(adapter: Fingerprint) -> AdapterTraces | None:
    try:
        with open_model(Path(adapter.location)) as model:
            found = read_traces(model)
    except (WeightsError, OSError):
        return None
    return found if found.updates or found.copies else None


def _fitting_members(
    traces: AdapterTraces, trees: Sequence[Sequence[Fingerprint]], models: _OpenModels
) -> list[Fingerprint]:
    """Return the models of the trees that fit an adapter better than chance, all with the same modules.

    Of each tree the model that stands first is held against chance.
    """
    counts = {item.id: models.fitting(item, traces) for tree in trees for item in tree}
    most = max(counts.values(), default=0)
    fitting = [[item for item in tree if counts[item.id] == most][: ADAPTER.max_members] for tree in trees]
    if not most:
        return []
    scores = []
    for tree in fitting:
        bases = [base for item in tree[:1] if (base := models.base(item)) is not None]
        scores.append(float(measure(traces, bases).z()[0]) if bases else 0.0)
    least = max(ADAPTER.min_z, ADAPTER.min_z_share * max(scores))
    chosen = [item for tree, score in zip(fitting, scores, strict=True) if score >= least for item in tree]
    return [item for item in chosen if models.base(item) is not None]


def _parents(members: Sequence[Fingerprint], parent: Mapping[str, str]) -> list[int | None]:
    place = {item.id: at for at, item in enumerate(members)}
    return [place.get(parent.get(item.id, "")) for item in members]


def _later(adapter: Fingerprint, members: Sequence[Fingerprint], *, time: bool) -> list[bool]:
    own = _day(adapter.created_at) if time else None
    days = [_day(item.created_at) for item in members]
    return [own is not None and day is not None and day > own for day in days]


def _day(date: str) -> float | None:
    known = known_date(date)
    return datetime.fromisoformat(known).timestamp() / 86400 if known else None
