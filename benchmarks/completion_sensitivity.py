"""How much predictions change with each tuned constant: `python -m benchmarks.completion_sensitivity STORE`.

Every constant of the completion is set to 4/5 and to 5/4 of its value, one at a time. Each time all models are fitted
anew, and complete what the models of a store lack. What counts is the first value of each model, and whether it is
likelier than not. The share of these that are gained or lost is written to `gnn/parameters/data/sensitivity.json`,
which `atlas-db complete --show-parameters` prints. Of a list of names, the last fifth is left out. A share whose 5/4 is
above one moves a fifth of the way to one.

Constants of one attribute are measured on that attribute, those of the network with a network, and those of baselines
on the answers of the baselines. Those of fusion are taken from `benchmarks/sensitivity.py`. Constants that `--only`
names are measured, all others keep what the file holds. A constant with which nothing can be fitted changes everything.
"""

from __future__ import annotations

import argparse
import math
import tempfile
from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from itertools import chain
from pathlib import Path
from typing import NamedTuple, TypeAlias

import msgspec
import numpy as np

from atlas_db.cli.common import home_of
from atlas_db.columnar.graph import Graph, days_since_epoch
from atlas_db.core.errors import CompletionError
from atlas_db.core.files import write_whole
from atlas_db.core.parameters import Change, Sensitivity
from atlas_db.core.settings import Settings, load_settings
from atlas_db.store.bolt import Store
from atlas_db.store.connect import open_store
from benchmarks.sensitivity import FACTORS, OF_FUSION
from gnn.dataset.assemble import assemble_graph
from gnn.dataset.hashed_tokens import TokenTable, hash_bucket
from gnn.dataset.neighbourhood import Neighbourhood
from gnn.dataset.query import CompletionQuery
from gnn.dataset.tasks import tasks_for
from gnn.evaluation.evaluate import CUTOFF, split
from gnn.evaluation.ranking_baselines import list_baselines
from gnn.evaluation.single_value_baselines import BASELINES
from gnn.inference.complete import CompletionSession, complete
from gnn.inference.predictions import Prediction
from gnn.parameters.completion_parameters import PARAMETER_CLASSES, UNMEASURED, completion_sensitivity
from gnn.parameters.evaluation_parameters import EVALUATION
from ingest.weights.parameters.chart_parameters import sensitivity

OUT = Path(__file__).parent.parent / "gnn" / "parameters" / "data" / "sensitivity.json"
ATTRIBUTES = ("license", "datasets", "base_model")
"""One attribute of each sort: one value, several values, and models."""
OF_ATTRIBUTE = {
    "candidate.parents_": "base_model",
    "candidate.trending_": "base_model",
    "candidate.similarity_weight": "base_model",
    "candidate.static_weight": "base_model",
    "candidate.author_weight": "base_model",
    "candidate.likes_weight": "base_model",
    "candidate.downloads_weight": "base_model",
    "candidate.dataset": "datasets",
    "candidate.single_": "license",
    "model.propensity.": "base_model",
    "model.ranker.pointwise_": "license",
    "model.network.": "license",
}
"""Attribute of constants by the beginning of their names; others are measured on all of `ATTRIBUTES`."""
OF_NETWORK = (
    "model.network.", "candidate.neighbours_per_group", "model.training.max_network", "model.training.metadata_",
    "model.training.epochs", "model.training.learning_", "model.training.late_epochs", "model.training.late_learning",
    "model.training.max_classes", "model.training.min_class",
)  # fmt: skip
"""Beginnings of constants that only count with a network."""
OF_BASELINES = "evaluation.baseline."
WHILE_READ = ("token.", "date.")
"""Beginnings of constants that count while the graph is read."""
SHARES = ("share", "quantile", "probability")
"""Units of constants that end at one."""
HEADS = "model.network.attention_heads"
"""Halved and doubled, as the size of an embedding is a multiple of it."""
Value: TypeAlias = "int | float | str | tuple[Value, ...]"
Predictions: TypeAlias = set[tuple[bool | str, str, int, str]]
"""Whether it is likelier than not, or the baseline that answers; attribute, row and value."""


class Constant(NamedTuple):
    """A tuned constant.

    Attributes:
        name: Dotted name.
        owner: Object that has it as a field.
        field: Name of the field.
        unit: Its unit.
    """

    name: str
    owner: object
    field: str
    unit: str

    @property
    def value(self) -> Value:
        """Its value."""
        return getattr(self.owner, self.field)  # type: ignore[no-any-return]

    def other(self, factor: float) -> Value:
        """Return its value times a factor, as the module describes."""
        if self.name == HEADS:
            return 2 if factor < 1 else 8
        return times(self.value, factor, ends_at_one=self.unit in SHARES)

    def set(self, value: Value) -> None:
        """Give it a value."""
        object.__setattr__(self.owner, self.field, value)
        hash_bucket.cache_clear()


def constants_of(group: object, prefix: str) -> Iterator[Constant]:
    """Yield the constants of a parameter class and of those in it."""
    for each in fields(group):  # type: ignore[arg-type]
        if is_dataclass(value := getattr(group, each.name)):
            yield from constants_of(value, f"{prefix}{each.name}.")
        else:
            yield Constant(prefix + each.name, group, each.name, each.metadata["unit"])


def times(value: Value, factor: float, *, ends_at_one: bool) -> Value:
    """Return a value times a factor; whole numbers change by one at least and stay above 0, words stay."""
    if isinstance(value, str):
        return value
    if isinstance(value, tuple):
        if value and isinstance(value[0], str):
            return value[: math.floor(len(value) * min(factor, 1.0))]
        return tuple(each if isinstance(each, str) else times(each, factor, ends_at_one=ends_at_one) for each in value)
    if isinstance(value, int):
        return max(1, min(value - 1, round(value * factor)) if factor < 1 else max(value + 1, round(value * factor)))
    if ends_at_one and value <= 1 < value * factor:
        return 1 - (1 - value) / factor
    return value * factor


def predictions(graph: Graph, name: str) -> Predictions:
    """Return what completion predicts with constants as they are, of the attributes that a constant may change."""
    found: Predictions = set()
    network = name.startswith(OF_NETWORK)
    with tempfile.TemporaryDirectory() as folder:
        session = CompletionSession(graph, Path(folder), retrain=True, network=network)
        for task in tasks_for(attributes_of(name)):
            try:
                first: dict[int, Prediction] = {}
                for each in complete(session, task, None, 0.0):
                    first.setdefault(each.model, each)
                found |= {(is_likely(each), task.attribute, model, each.value) for model, each in first.items()}
            except CompletionError as error:
                print(f"{name}, {task.attribute}: {error}", flush=True)
    return found


def is_likely(prediction: Prediction) -> bool:
    """Return whether a value is likelier than not; that of a parent where it is not known that there is one."""
    derived = prediction.derived_probability
    return prediction.confidence * (1.0 if derived is None else derived) >= 0.5


def attributes_of(name: str) -> tuple[str, ...]:
    """Return the attributes that a constant may change."""
    return next(((each,) for start, each in OF_ATTRIBUTE.items() if name.startswith(start)), ATTRIBUTES)


def baseline_answers(graph: Graph) -> Predictions:
    """Return what every baseline answers for models of the newest months, with metadata."""
    found: Predictions = set()
    cutoff = days_since_epoch(CUTOFF)
    for task in tasks_for(("license", "base_model")):
        visible, rows = split(graph, task, "temporal", cutoff, float(graph.created.max()) + 1)
        neighbourhood = Neighbourhood(graph, task, TokenTable(graph, lineage=True, relation=True), visible)
        query = CompletionQuery(rows, np.full(len(rows), cutoff), np.ones(len(rows), bool))
        if task.multi_valued:
            answers = {name: each.top_values(len(rows)) for name, each in list_baselines(neighbourhood, query).items()}
        else:
            answers = {name: method(neighbourhood, query) for name, method in BASELINES.items()}
        for name, (values, _) in answers.items():
            found |= {(name, task.attribute, row, f"{value}") for row, value in enumerate(values.tolist())}
    return found


class Completions:
    """Predictions over one store with constants changed.

    Args:
        store: The store.
        settings: Settings with its home folder.
    """

    def __init__(self, store: Store, settings: Settings) -> None:
        self._store = store
        self._settings = settings
        self._graph = self._read()
        self._usual: dict[tuple[bool, bool, tuple[str, ...]], Predictions] = {}

    def _read(self) -> Graph:
        return assemble_graph(self._store, home_of(self._settings), tasks_for(ATTRIBUTES))

    def _results(self, name: str, graph: Graph) -> Predictions:
        return baseline_answers(graph) if name.startswith(OF_BASELINES) else predictions(graph, name)

    def share_changed(self, constant: Constant, factor: float) -> float:
        """Return the share of predictions that are gained or lost where a constant is multiplied by a factor."""
        name, value = constant.name, constant.value
        other = constant.other(factor)
        if other == value:
            return 0.0
        kind = name.startswith(OF_BASELINES), name.startswith(OF_NETWORK), attributes_of(name)
        if kind not in self._usual:
            self._usual[kind] = self._results(name, self._graph)
        usual = self._usual[kind]
        constant.set(other)
        try:
            changed = self._results(name, self._read() if name.startswith(WHILE_READ) else self._graph)
        finally:
            constant.set(value)
        return round(len(usual ^ changed) / max(len(usual), 1), 4)


def main() -> None:
    """Measure and write."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.completion_sensitivity", description=__doc__)
    parser.add_argument("store", help="Store, as in --store.")
    parser.add_argument("--on", required=True, help="What the store holds, in words.")
    parser.add_argument(
        "--only", nargs="*", default=[""], help="Beginnings of the constants to measure; all by default."
    )
    options = parser.parse_args()
    every = [
        *chain.from_iterable(constants_of(group, prefix) for prefix, group in PARAMETER_CLASSES.items()),
        *constants_of(EVALUATION.baseline, OF_BASELINES),
    ]
    known = dict(completion_sensitivity()) | {
        name: change for name, change in sensitivity().items() if name.startswith(OF_FUSION)
    }
    settings = load_settings(store=options.store)
    with open_store(settings) as store:
        completions = Completions(store, settings)
        for constant in every:
            name = constant.name
            if name in UNMEASURED or name.startswith(OF_FUSION) or not name.startswith(tuple(options.only)):
                continue
            smaller, larger = (completions.share_changed(constant, factor) for factor in FACTORS)
            print(f"{name}: {smaller}, {larger}", flush=True)
            known[name] = Change(smaller, larger, options.on)
            kept = {each.name: known[each.name] for each in every if each.name in known}
            write_whole(OUT, msgspec.json.format(msgspec.json.encode(Sensitivity(kept)), indent=1) + b"\n")


if __name__ == "__main__":
    main()
