"""Learn to complete one attribute, on the past, measured on the months that follow it."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import numpy as np
import torch

from atlas_db.columnar.graph import threads
from atlas_db.core.arrays import Doubles, Flags, Integers, distinct
from atlas_db.core.errors import CompletionError
from atlas_db.core.terms import Progress
from gnn.features.neighbours import NEAR, Around, Query, Table
from gnn.models.attribute_model import Completer, candidates
from gnn.models.bag_of_words import Linear
from gnn.models.calibration import (
    Calibration,
    calibration_error,
    conformal,
    isotonic,
    normalised,
    sharpness,
    threshold,
)
from gnn.models.correct_and_smooth import Echo
from gnn.models.graph_network import Feeder, Net, accelerator, fit
from gnn.models.ranker import Ranker

LAG = 61.0
"""Days: an example sees what was declared up to some moment in so many days before it, as a new model will be."""


BLOCK = 120.0
"""Days at the end that the trees learn from; the network that they hear has not seen them."""


LATER = 30.0
"""Days at the very end that confidence is calibrated on."""


POOL, RANKED = 250_000, 900_000
"""Newest declarations that the network, and candidates that the trees learn from at most."""


EXAMPLES = 75_000
"""Models whose candidates the trees learn from at most, where each has so few that the other bound is far away."""


FALSE = {False: 1.0, True: 0.3}
"""Share of the wrong candidates that the trees learn from, where models have one value and where they have several."""


PART = 2000
"""Models whose candidates are made at once while learning."""


CLASSES, LEAST_USES = 4000, 3
"""Values that the network tells apart at most, and how often one is declared at least."""


FEWEST = 40
"""Declarations below which nothing is learnt."""


def learn(
    around: Around, *, precision: float = 0.95, seed: int = 1, compare: bool = False,
    progress: Progress = lambda *_: None,
) -> Completer:  # fmt: skip
    """Learn from all declarations that are visible.

    Args:
        around: What is visible.
        precision: Precision that the threshold shall reach.
        seed: Of samples and weights.
        compare: Whether trees that hear the network are learnt of lists, too, which are scored without it.
        progress: Told of stage, done and total.

    Raises:
        CompletionError: There is too little to learn from, or only one value.
    """
    torch.set_num_threads(threads())
    torch.manual_seed(seed)
    rng = np.random.default_rng(seed)
    attribute = around.task.attribute
    stages = iter(range(7))

    def step(what: str) -> None:
        progress(f"Learn {attribute}: {what}", next(stages), 6)

    names, classes = _classes(around)
    start, later = _blocks(around)
    times = around.labels.times
    step("network")
    net = Net(len(names), len(NEAR)).to(accelerator())
    _train(net, around, classes, times < start, epochs=2, rate=3e-3, rng=rng, seed=seed)
    step("words")
    echo = Echo(around, Linear.fit(around, times < start, threads()))
    step("candidates")
    rows = rng.permutation(distinct(around.labels.rows[times >= start]))
    early = around.graph.since[rows] < later
    if early.all() or not early.any():
        # All of one day: halves of models stand in for earlier and later.
        early = rows % 2 == 0
    share = FALSE[around.task.many]
    ask = partial(candidates, echo, net, classes)
    first = _examples(around, ask, rows[early], rng, RANKED * early.mean(), share)
    last = _examples(around, ask, rows[~early], rng, RANKED * (1 - early.mean()))
    step("trees")
    alone = not around.task.many
    draft = _ranker(around, [first], hearing=alone)
    step("calibration")
    calibration = _calibrate(around, last, draft.score(last.table.features, last.table.places), precision)
    step("trees on all")
    ranker = _ranker(around, [first, last.thinned(share, rng)], hearing=alone or compare)
    step("network and words on the latest")
    _train(net, around, classes, times >= start, epochs=1, rate=1e-3, rng=rng, seed=seed + 1)
    linear = Linear.fit(around, np.ones(len(times), bool), threads())
    return Completer(attribute, names, net, linear, ranker, calibration)


class _Examples(NamedTuple):
    """Models with their candidates, and which of these they declare."""

    query: Query
    table: Table
    truth: Flags

    def thinned(self, share: float, rng: np.random.Generator) -> _Examples:
        """Return all true candidates, and a share of the false ones."""
        kept = self.truth | (rng.random(len(self.truth)) < share)
        return _Examples(self.query, self.table.only(kept), self.truth[kept])


def _ranker(around: Around, parts: list[_Examples], *, hearing: bool) -> Ranker:
    """Learn from candidates of examples."""
    _, table, truth = _together(parts)
    many = around.task.many
    return Ranker.fit(table.features, truth, table.places, threads(), among=many, hearing=hearing)


def _examples(
    around: Around, ask: Callable[[Query], Table], rows: Integers, rng: np.random.Generator, budget: float,
    share: float = 1.0,
) -> _Examples:  # fmt: skip
    """Return examples of models, until there are as many candidates as the budget affords."""
    parts: list[_Examples] = []
    rows = rows[: int(EXAMPLES * budget / RANKED)]
    for start in range(0, len(rows), PART):
        query = views(around, rows[start : start + PART], rng)
        table = ask(query)
        found = _Examples(query, table, is_true(around, query.rows[table.places], table.values))
        parts.append(found.thinned(share, rng) if share < 1 else found)
        budget -= len(parts[-1].truth)
        if budget <= 0:
            break
    return _together(parts)


def _together(parts: list[_Examples]) -> _Examples:
    before = np.cumsum([0, *(len(part.query) for part in parts)])
    return _Examples(
        Query(*(np.concatenate([getattr(part.query, name) for part in parts]) for name in ("rows", "moments", "told"))),
        Table(
            np.concatenate([part.table.places + shift for part, shift in zip(parts, before, strict=False)]),
            np.concatenate([part.table.values for part in parts]),
            np.concatenate([part.table.features for part in parts]),
        ),
        np.concatenate([part.truth for part in parts]),
    )


def views(around: Around, rows: Integers, rng: np.random.Generator) -> Query:
    """Return models as they look when they are new: once with all that they state, once bare."""
    rows = np.sort(rows)
    rows, told = np.concatenate((rows, rows)), np.repeat([True, False], len(rows))
    return Query(rows, around.graph.since[rows] - rng.uniform(0, _lag(around), len(rows)), told)


def _lag(around: Around) -> float:
    """Return how many days before it an example looks from at most; where less, a tenth of what the store spans."""
    times = around.labels.times
    return min(LAG, float(times[-1] - times[len(times) // 10]) / 10)


def is_true(around: Around, rows: Integers, values: Integers) -> Flags:
    """Return which models declare which values, pair by pair."""
    size = len(around.column.names)
    held = around.column.held
    pairs = held.rows * size + held.values
    return np.isin(rows * size + values, pairs)


def _classes(around: Around) -> tuple[list[str], Integers]:
    """Choose the values that the network tells apart: the most frequent."""
    counts = np.bincount(around.labels.values, minlength=around.labels.size)
    chosen = np.argsort(-counts, kind="stable")[:CLASSES]
    chosen = np.sort(chosen[counts[chosen] >= LEAST_USES])
    if len(around.labels.rows) < FEWEST or len(chosen) < 2:
        raise CompletionError(
            f"{around.task.attribute} cannot be learnt: {len(around.labels.rows)} declarations, "
            f"{len(chosen)} values that {LEAST_USES} models share",
            hint="Load more models, or leave it out with --attributes",
        )
    classes = np.full(around.labels.size, -1, np.int64)
    classes[chosen] = np.arange(len(chosen))
    return [around.column.names[value] for value in chosen], classes


def _blocks(around: Around) -> tuple[float, float]:
    """Return from when on the trees learn, and from when on confidence is calibrated.

    The last months where enough was declared in them; of small or old stores the last two fifths, and tenth; of those
    that span weeks at most seven tenths, and a quarter.
    """
    times = around.labels.times
    start = max(min(times[-1] - BLOCK, times[int(0.6 * len(times))]), times[int(0.3 * len(times))])
    later = max(min(times[-1] - LATER, times[int(0.9 * len(times))]), times[int(0.75 * len(times))])
    return float(start), float(max(later, start + 1e-6))


def _train(
    net: Net, around: Around, classes: Integers, chosen: Flags, *, epochs: int, rate: float, rng: np.random.Generator,
    seed: int,
) -> None:  # fmt: skip
    """Train the network on declarations, one example each, with half of what models state hidden."""
    values = classes[around.labels.values]
    pool = np.flatnonzero(chosen & (values >= 0))[-POOL:]
    rows = around.labels.rows[pool]
    moments = around.graph.since[rows] - rng.uniform(0, _lag(around), len(rows))
    examples = around.examples(Query(rows, moments, rng.random(len(rows)) < 0.5), classes)
    if len(pool):
        fit(net, Feeder(around.known, around.told), examples, values[pool], epochs=epochs, rate=rate, seed=seed)


def _calibrate(around: Around, late: _Examples, scores: Doubles, precision: float) -> Calibration:
    """Fit confidence on the latest examples; its error is measured on the half of authors that is left out."""
    query, places = late.query, late.table.places
    # Scores of candidates among each other have no scale of their own.
    power = sharpness(scores, places, len(query), late.truth) if around.task.many else 1.0
    share = normalised(scores, places, len(query), power)
    right = late.truth.astype(np.float64)
    told = around.says_something(query)[places]
    half = around.graph.author[query.rows[places]] % 2 == 0
    order = np.lexsort((-share, places))
    first = order[np.diff(places[order], prepend=-1) != 0]
    error = 0.0
    if half.sum() > 1 and (~half).sum() > 1:
        checked = isotonic(share[half], right[half])
        other = first[~half[first]]
        error = calibration_error(checked(share[other]), right[other])
    curves = [isotonic(share[part], right[part]) for part in (told, ~told)]
    sure = np.where(told, curves[0](share), curves[1](share))
    given = np.zeros(len(query))
    np.maximum.at(given, places, sure * right)
    return Calibration(
        curves[0], curves[1], threshold(sure[first], right[first], precision), precision,
        conformal(given[np.unique(places)]), error, len(first), power,
    )  # fmt: skip
