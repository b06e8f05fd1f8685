"""The model of one attribute: network, bag of words, ranker and calibration, fitted together."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import NamedTuple

import msgspec
import numpy as np
from lightgbm.basic import LightGBMError
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from atlas_db.core.arrays import Doubles, Integers
from atlas_db.core.errors import CompletionError
from atlas_db.core.files import write_whole
from atlas_db.core.terms import Progress
from gnn.dataset.tasks import TASKS, VERSION
from gnn.features.neighbours import NEAR, Around, Query, Table, Voice
from gnn.models.bag_of_words import Linear
from gnn.models.calibration import (
    Calibration,
    normalised,
)
from gnn.models.correct_and_smooth import Echo
from gnn.models.graph_network import Feeder, Net, accelerator, predict
from gnn.models.ranker import Ranker

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
