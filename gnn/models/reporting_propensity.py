"""Whether silence says anything: a model that names no parent has none, or an author who does not say so.

Training tools have written `base_model` into cards since the summer of 2023 only, others never do: what most models
derive from is not said, however plain it is. That a parent is named is therefore taken for a product: that there is
one, of what the model is called and states; times that it would be said, of habit alone, that is of date, owner and
tool (unlabelled positives selected by attributes of their own: Bekker, Robberts, Davis 2019, ECML PKDD).

Habit is learnt where it shows by itself: of models whose names spell the whole name of an older one which others derive
from. Given a habit that seldom speaks, silence counts for little against what words say; given one that mostly
speaks, for much.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple
from zlib import crc32

import lightgbm
import numpy as np
from lightgbm.basic import LightGBMError
from safetensors import SafetensorError
from safetensors.numpy import load_file, save_file
from scipy.sparse import csr_array, hstack
from scipy.special import expit

from atlas_db.columnar.graph import Graph, threads
from atlas_db.columnar.repository_names import segments
from atlas_db.core.arrays import Doubles, Flags, Floats, Integers
from atlas_db.core.errors import CompletionError
from atlas_db.core.files import replacing
from gnn.dataset.hashed_tokens import BUCKETS
from gnn.dataset.temporal_counts import Tally
from gnn.features.neighbours import Around, Query
from gnn.models.bag_of_words import words

KNOWN = 5
"""Models that derive from one before its name counts as known."""
SHORTEST = 6
"""Characters of a known name."""
FEWEST = 200
"""Models with a known name in their own below which habit is not learnt."""
SPOKEN = 100
"""Most frequent words of what models state that tell tools from each other."""
ROUNDS, EPOCHS, BATCHES, RATE, RIDGE = 150, 3, 80, 0.5, 0.2
LEAST = 0.01
"""Chance that a parent is said, or is not said, at least."""
HALVES = (0, 1)
"""Of owners: each half is judged by what was learnt of the other."""
_SETTINGS: dict[str, Any] = {
    "objective": "binary", "learning_rate": 0.08, "num_leaves": 31, "min_data_in_leaf": 50, "verbose": -1,
    "deterministic": True, "force_row_wise": True, "seed": 1,
}  # fmt: skip


class Reckoning(NamedTuple):
    """Why a model may name no parent.

    Attributes:
        derives: Chance that it has one, as its words have it, whatever it declares, shape (q,).
        says: Chance that one would be named, as the habits of date, owner and tool have it, shape (q,).
    """

    derives: Doubles
    says: Doubles

    @property
    def roots(self) -> Doubles:
        """Chance that there is no parent where none is named (Bayes), shape (q,)."""
        return np.asarray((1 - self.derives) / (1 - self.derives * self.says))


@dataclass(frozen=True, slots=True, eq=False)
class Silence:
    """What was learnt of habits, and of words, each of one half of the owners.

    Attributes:
        habits: Trees that say whether a parent would be named.
        spoken: Words that tell tools from each other, as numbers, shape (at most SPOKEN,).
        weights: Of what is heard of models, which says whether there is a parent, shape (2, BUCKETS + 5).
        bias: Shape (2,).
    """

    habits: tuple[lightgbm.Booster, ...]
    spoken: Integers
    weights: Floats
    bias: Floats

    @classmethod
    def learn(cls, around: Around) -> Silence | None:
        """Learn from all declarations that are visible; None where too few names show a parent.

        Args:
            around: What is visible of whether models declare a parent.
        """
        rows = np.sort(around.labels.rows)
        yes = around.column.names.index("yes")
        says = around.column.held.first[rows] == yes
        shows = spelling(around.graph, rows)
        half = _halves(around.graph, rows)
        if any((shows & (half == side)).sum() < FEWEST for side in HALVES):
            return None
        told = around.told.some(rows).values
        counts = np.bincount(told, minlength=BUCKETS)
        spoken = np.sort(np.argsort(-counts, kind="stable")[:SPOKEN])
        query = Query(rows, around.graph.since[rows], np.ones(len(rows), bool))
        seen, said = _habit(around, query, spoken), _heard(around, query, shows)
        habits = tuple(_trees(seen[shows & (half == side)], says[shows & (half == side)]) for side in HALVES)
        speak = _each(habits, seen, half)
        fitted = [_derived(said, says, speak, np.flatnonzero(half == side)) for side in HALVES]
        weights = np.stack([own for own, _ in fitted]).astype(np.float16).astype(np.float32)
        return cls(habits, spoken, weights, np.array([bias for _, bias in fitted], np.float32))

    def of(self, around: Around, query: Query) -> Reckoning:
        """Return why models may name no parent, by habits of the query's moments: each model's own date.

        Whatever the models themselves declare is not looked at.
        """
        half = _halves(around.graph, query.rows)
        speak = _each(self.habits, _habit(around, query, self.spoken), half)
        said = _heard(around, query, spelling(around.graph, query.rows))
        derives = np.zeros(len(query))
        for side in HALVES:
            asked = np.flatnonzero(half == side)
            derives[asked] = expit(said[asked] @ self.weights[1 - side] + self.bias[1 - side])
        return Reckoning(derives, speak)

    def save(self, folder: Path) -> None:
        """Write a checkpoint: trees as text, the rest as tensors, last and at once: without them it is none."""
        folder.mkdir(parents=True, exist_ok=True)
        for side, trees in enumerate(self.habits):
            trees.save_model(folder / f"habit-{side}.txt")
        told: dict[str, Any] = {
            "spoken": self.spoken, "weights": self.weights.astype(np.float16), "bias": self.bias
        }  # fmt: skip
        with replacing(folder / "silence.safetensors") as partial:
            save_file(told, partial)

    @classmethod
    def load(cls, folder: Path) -> Silence | None:
        """Read a checkpoint; None where there is none.

        Raises:
            CompletionError: It is damaged.
        """
        file = folder / "silence.safetensors"
        if not file.exists():
            return None
        try:
            held = load_file(file)
            habits = tuple(lightgbm.Booster(model_file=folder / f"habit-{side}.txt") for side in HALVES)
            return cls(habits, held["spoken"], held["weights"].astype(np.float32), held["bias"])
        except (OSError, KeyError, SafetensorError, LightGBMError) as error:
            raise CompletionError(
                f"the checkpoint in {folder} cannot be read ({error})", hint="Learn anew with --retrain"
            ) from error


def spelling(graph: Graph, rows: Integers) -> Flags:
    """Return which models bear the whole name of an older one, between hyphens and the like, that others derive from.

    Args:
        graph: The graph.
        rows: Models, shape (q,).
    """
    names, created = graph.names.names, graph.created
    oldest: dict[str, float] = {}
    for row in np.flatnonzero(_uses(graph) >= KNOWN).tolist():
        name = names[row]
        if len(name) >= SHORTEST:
            oldest[name] = min(oldest.get(name, np.inf), float(created[row]))
    dates = created[rows].tolist()
    return np.array(
        [
            any(oldest.get(part, np.inf) <= date for part in segments(names[row], SHORTEST))
            for row, date in zip(rows.tolist(), dates, strict=True)
        ],
        bool,
    )


def is_known(graph: Graph, rows: Integers) -> Flags:
    """Return of which models others are known to derive.

    Their children bear their names, and who makes bases declares nothing: of them words and silence say little.
    """
    return _uses(graph)[rows] >= KNOWN


def _uses(graph: Graph) -> Integers:
    """Return how many models declare each as their parent, shape (n,)."""
    return np.bincount(graph.parents.values[graph.declared], minlength=len(graph))


def _heard(around: Around, query: Query, bears: Flags) -> csr_array:
    """Return what is heard of models, shape (q, BUCKETS + 5).

    Words; whether a name bears a known one (`spelling`), is a copy's, and starts with a word that none had before; as
    logarithms, how many had its first two words before, and how many models derive from it.
    """
    rows, labels, names = query.rows, around.labels, around.graph.names
    first, head = (
        Tally(labels, kinds[labels.rows]).before(kinds[rows], query.moments) for kinds in (names.first, names.head)
    )
    uses = _uses(around.graph)[rows]
    beside = np.column_stack((bears, names.copy[rows], first == 0, np.log1p(head), np.log1p(uses)))
    return csr_array(hstack((words(around, query), csr_array(beside.astype(np.float32)))))


def _halves(graph: Graph, rows: Integers) -> Integers:
    """Return which half each model is in: by its owner, the same in every store."""
    owners = np.array([crc32(name.encode()) % 2 for name in graph.authors] or [0], np.int64)
    author = graph.author[rows]
    return np.where(author >= 0, owners[author], 0)


def _habit(around: Around, query: Query, spoken: Integers) -> Floats:
    """Return what habit shows in: date, what the owner declared before, words that tell tools, shape (q, features)."""
    yes = np.full(len(query), around.column.names.index("yes"))
    own = around.history("author").counts(around.asked("author", query), yes, query.moments, query.moments)
    told = around.told.some(query.rows)
    place = np.full(BUCKETS, -1, np.int64)
    place[spoken] = np.arange(len(spoken))
    out = np.zeros((len(query), 1 + own.shape[1] + len(spoken)), np.float32)
    out[:, 0], out[:, 1 : 1 + own.shape[1]] = query.moments, own
    known = place[told.values] >= 0
    out[told.rows[known], 1 + own.shape[1] + place[told.values[known]]] = 1
    return out


def _trees(seen: Floats, says: Flags) -> lightgbm.Booster:
    return lightgbm.train(
        {**_SETTINGS, "num_threads": threads()}, lightgbm.Dataset(seen, says.astype(np.float32)), ROUNDS
    )


def _each(habits: tuple[lightgbm.Booster, ...], seen: Floats, half: Integers) -> Doubles:
    """Return the chance that a parent would be named, each half judged by the other's trees."""
    out = np.zeros(len(seen))
    for side in HALVES:
        asked = half == side
        if asked.any():
            out[asked] = np.asarray(habits[1 - side].predict(seen[asked]))
    return np.clip(out, LEAST, 1 - LEAST)


def _derived(said: csr_array, says: Flags, speak: Doubles, rows: Integers) -> tuple[Doubles, float]:
    """Fit the chance that there is a parent: a logistic of words, times habit, is the chance that one is named.

    Maximum likelihood with AdaGrad (Duchi, Hazan, Singer 2011).

    Args:
        said: What is heard of models, shape (n, features).
        says: Whether each names a parent, shape (n,).
        speak: Chance that it would, if it had one, shape (n,).
        rows: Models to learn from.
    """
    rng = np.random.default_rng(1)
    weights, squares = np.zeros(said.shape[1]), np.full(said.shape[1], 1e-10)
    bias, square = 0.0, 1e-10
    for _ in range(EPOCHS):
        for part in np.array_split(rng.permutation(rows), BATCHES):
            some, habit = said[part], speak[part]
            derives = expit(some @ weights + bias)
            named = np.clip(derives * habit, 1e-6, 1 - 1e-6)
            pull = (named - says[part]) / (named * (1 - named)) * habit * derives * (1 - derives) / len(part)
            slope = some.T @ pull + RIDGE / len(rows) * weights
            squares += slope**2
            weights -= RATE * slope / np.sqrt(squares)
            square += pull.sum() ** 2
            bias -= RATE * pull.sum() / np.sqrt(square)
    return weights, float(bias)
