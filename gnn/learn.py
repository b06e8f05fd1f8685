"""Learn to complete one attribute, on the past, measured on the months that follow it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import NamedTuple

import msgspec
import numpy as np
import torch
from lightgbm.basic import LightGBMError
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from atlas_db.errors import CompletionError
from atlas_db.files import write_whole
from atlas_db.terms import Progress
from gnn.around import NEAR, Around, Flags, Query, Table, Voice
from gnn.calibrate import Calibration, calibration_error, conformal, isotonic, normalised, sharpness, threshold
from gnn.echo import Echo
from gnn.graph import Doubles, Integers, distinct, threads
from gnn.linear import Linear
from gnn.net import Feeder, Net, accelerator, fit, predict
from gnn.ranker import Ranker
from gnn.tasks import TASKS, VERSION

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
CHUNK, AHEAD = 6_000, 2
"""Models completed at once, and how many such lots are looked at side by side."""


class Ranked(NamedTuple):
    """Candidates of each model with their probabilities.

    Attributes:
        places: Place of the model in the query, ascending, shape (c,).
        values: Index of the value, shape (c,).
        probability: Calibrated, shape (c,).
        score: As ranked, normalised over a model's candidates, shape (c,).
    """

    places: Integers
    values: Integers
    probability: Doubles
    score: Doubles

    def ranks(self) -> tuple[Integers, Integers]:
        """Return candidates in order, models as asked and the best first, and the rank of each within its model."""
        order = np.lexsort((self.values, -self.score, self.places))
        places = self.places[order]
        return order, np.arange(len(order)) - np.searchsorted(places, places)

    def best(self, models: int) -> tuple[Integers, Doubles]:
        """Return each model's likeliest value, -1 for none, and its probability."""
        order, rank = self.ranks()
        first = order[rank == 0]
        values, sure = np.full(models, -1, np.int64), np.zeros(models)
        values[self.places[first]] = self.values[first]
        sure[self.places[first]] = self.probability[first]
        return values, sure


@dataclass(slots=True)
class Completer:
    """What was learnt of one attribute.

    Attributes:
        attribute: Its name.
        values: Values that the network tells apart, by their names.
        net: The network.
        linear: Words alone.
        ranker: The trees.
        calibration: How sure they may be.
    """

    attribute: str
    values: list[str]
    net: Net
    linear: Linear
    ranker: Ranker
    calibration: Calibration
    _echo: Echo | None = None

    def classes(self, around: Around) -> Integers:
        """Return the network's number of each value of the graph, -1 for those that it does not know."""
        return around.numbers(self.values)

    def tables(self, around: Around, query: Query) -> Table:
        """Return the candidates of models with what speaks for them."""
        if self._echo is None or self._echo.around is not around:
            self._echo = Echo(around, self.linear)
        return candidates(self._echo, self.net, self.classes(around), query)

    def rank(self, around: Around, query: Query) -> tuple[Table, Ranked]:
        """Return candidates with what speaks for them, and with their probabilities."""
        return self._judged(around, query, self.tables(around, query))

    def _judged(self, around: Around, query: Query, table: Table) -> tuple[Table, Ranked]:
        return table, self.judge(around, query, table, self.ranker.score(table.features, table.places))

    def chunks(self, around: Around, query: Query, progress: Progress) -> Iterator[tuple[int, Query, Table, Ranked]]:
        """Yield models some thousand at a time: where they start, they, and what `rank` returns of them."""
        starts = range(0, len(query), CHUNK)
        parts = [query.part(slice(start, start + CHUNK)) for start in starts]
        with ThreadPoolExecutor(AHEAD) as ahead:
            # While trees judge the candidates of some, those of the next are found. The first alone: what is made once
            # need not be made twice.
            waiting = [ahead.submit(self.tables, around, part) for part in parts[:1]]
            for at, start in enumerate(starts):
                progress(f"Complete {self.attribute}", start, len(query))
                table = waiting.pop(0).result()
                coming = parts[at + 1 + len(waiting) : at + 1 + AHEAD]
                waiting += [ahead.submit(self.tables, around, part) for part in coming]
                yield start, parts[at], *self._judged(around, parts[at], table)
        progress(f"Complete {self.attribute}", len(query), len(query))

    def complete(self, around: Around, query: Query, progress: Progress = lambda *_: None) -> Ranked:
        """Return candidates with their probabilities."""
        parts = [
            ranked._replace(places=ranked.places + start)
            for start, _, _, ranked in self.chunks(around, query, progress)
        ]
        if not parts:
            nobody, nothing = np.zeros(0, np.int64), np.zeros(0)
            return Ranked(nobody, nobody, nothing, nothing)
        return Ranked(*(np.concatenate(column) for column in zip(*parts, strict=True)))

    def judge(self, around: Around, query: Query, table: Table, scores: Doubles) -> Ranked:
        """Return scores as calibrated probabilities."""
        share = normalised(scores, table.places, len(query), self.calibration.power)
        told = around.says_something(query)[table.places]
        sure = np.where(told, self.calibration.told(share), self.calibration.bare(share))
        if not around.task.many:
            sure /= np.maximum(np.bincount(table.places, sure, len(query)), 1.0)[table.places]
        return Ranked(table.places, table.values, sure, share)

    def save(self, folder: Path) -> None:
        """Write a checkpoint: tensors, trees as text, the rest as JSON; no pickle."""
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "meta.json").unlink(missing_ok=True)
        save_file(self.net.state_dict(), folder / "net.safetensors")
        self.linear.save(folder / "linear.safetensors")
        self.ranker.save(folder)
        told = {
            "version": VERSION,
            "attribute": self.attribute,
            "values": self.values,
            "spoken": self.linear.values,
            "calibration": self.calibration,
        }
        # Written last and at once: a checkpoint without it is none.
        write_whole(folder / "meta.json", msgspec.json.encode(told))

    @classmethod
    def load(cls, folder: Path) -> Completer | None:
        """Read a checkpoint; None where there is none, or one of another version.

        Raises:
            CompletionError: It is damaged.
        """
        try:
            told = msgspec.json.decode((folder / "meta.json").read_bytes(), type=_Meta)
        except (FileNotFoundError, msgspec.DecodeError, msgspec.ValidationError):
            return None
        if told.version != VERSION:
            return None
        net = Net(len(told.values), len(NEAR))
        try:
            net.load_state_dict(load_file(folder / "net.safetensors"))
            linear = Linear.load(folder / "linear.safetensors", told.spoken)
            ranker = Ranker.load(folder, among=TASKS[told.attribute].many if told.attribute in TASKS else False)
        except (OSError, RuntimeError, SafetensorError, LightGBMError) as error:
            raise CompletionError(
                f"the checkpoint in {folder} cannot be read ({error})", hint="Learn anew with --retrain"
            ) from error
        return cls(told.attribute, told.values, net.to(accelerator()), linear, ranker, told.calibration)


class _Meta(msgspec.Struct):
    version: str
    attribute: str
    values: list[str]
    spoken: list[str]
    calibration: Calibration


def candidates(echo: Echo, net: Net, classes: Integers, query: Query) -> Table:
    """Return the candidates of models, what the network and words say among their features."""
    around = echo.around
    scores = predict(net, Feeder(around.known, around.told), around.examples(query, classes))
    return around.table(query, Voice(scores, classes), echo.voice(query), partial(echo.about, query))


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
