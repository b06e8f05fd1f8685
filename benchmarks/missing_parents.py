"""Models without a declared parent: `python -m benchmarks.missing_parents --store STORE [--cards F --predictions F]`.

The store holds a Hub list. The first part compares two months at a time, before and after a tool began to write down
parents. It prints how many of its models declare one, and the estimated share that has one. The second part needs cards
of the same models whose text names a parent (`fine-tuned version of [...](...)`), which nothing here reads. It compares
these with the predictions of `complete --attributes base_model --out` for models whose tags name none.
"""

from __future__ import annotations

import argparse
import json
import re
from pathlib import Path

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from atlas_db.columnar.graph import Graph
from atlas_db.columnar.read import read_graph
from atlas_db.core.arrays import Flags
from atlas_db.core.settings import load_settings
from atlas_db.store.connect import open_store
from benchmarks.sample import rows as rows_in
from gnn.dataset.hashed_tokens import TokenTable
from gnn.dataset.neighbourhood import Neighbourhood
from gnn.dataset.query import CompletionQuery
from gnn.dataset.tasks import HAS_PARENT, rows_missing
from gnn.models.reporting_propensity import PropensityModel

TOOLS = ("generated_from_trainer", "peft", "trl", "reinforcement-learning")
TWO_MONTHS, FEW = 61.0, 50
NAMED = re.compile(
    r"fine-?tuned (?:version of|from|on top of)\s*(?:the\s+)?\[[^\]]+\]\(\s*https?://huggingface\.co/([^)\s#]+)\)", re.I
)


def main() -> None:
    """Print both tables."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.missing_parents", description=__doc__)
    parser.add_argument("--store", default=None)
    parser.add_argument("--plot", type=Path, help="Draw the first table into this PNG.")
    parser.add_argument("--cards", type=Path)
    parser.add_argument("--predictions", type=Path)
    options = parser.parse_args()
    with open_store(load_settings(store=options.store)) as store:
        graph = read_graph(store)
    found = over_time(graph)
    if options.plot:
        draw(found, options.plot)
    if options.cards and options.predictions:
        compare_with_cards(graph, options.cards, options.predictions)


Moment = tuple[np.datetime64, int, float, float]
"""First day of two months, models, share that names a parent, share held to have one."""


def over_time(graph: Graph) -> dict[str, list[Moment]]:
    """Print and return, by tool and time, the share that declares a parent and the share held to have one."""
    around = Neighbourhood(graph, HAS_PARENT, TokenTable(graph, lineage=False, relation=True), ~graph.placeholder)
    propensity = PropensityModel.fit(around)
    if propensity is None:
        raise SystemExit("too few names show a parent")
    rows = np.flatnonzero(~graph.placeholder)
    estimated = propensity.predict_proba(
        around, CompletionQuery(rows, graph.event_time[rows], np.ones(len(rows), bool))
    )
    declares = np.ones(len(graph), bool)
    declares[rows_missing(graph, "base_model")] = False
    when = (graph.created[rows] // TWO_MONTHS).astype(np.int64)
    found: dict[str, list[Moment]] = {}
    for tool in TOOLS:
        mine = _tagged(graph, tool)[rows]
        print(f"{tool}: models, share that names a parent, share held to have one")
        for moment in np.unique(when[mine]).tolist():
            some = mine & (when == moment)
            day, many = np.datetime64(int(moment * TWO_MONTHS), "D"), int(some.sum())
            named, held = float(declares[rows[some]].mean()), float(estimated.p_derived[some].mean())
            found.setdefault(tool, []).append((day, many, named, held))
            print(f"  {day}  {many:7,}  {named:.2f}  {held:.2f}")
    return found


def draw(found: dict[str, list[Moment]], file: Path) -> None:
    """Draw both shares over time, one field a tool; moments with fewer than FEW models are left out."""
    figure = Figure(figsize=(9, 2.6), layout="constrained")
    fields = figure.subplots(1, len(found), sharey=True)
    for field, (tool, moments) in zip(fields, found.items(), strict=True):
        days, _, named, held = zip(*(moment for moment in moments if moment[1] >= FEW), strict=True)
        field.plot(days, held, "-", color="#8a4f7d", label="held to have a parent")
        field.plot(days, named, "-", color="#2f6f8f", label="names one")
        field.set(title=tool, ylim=(0, 1), xlim=(np.datetime64("2022-03-01"), np.datetime64("2024-06-01")))
        field.set_xticks([np.datetime64(f"{year}-01-01") for year in (2023, 2024)], ["2023", "2024"])
        field.title.set_fontsize(9)
    fields[0].set_ylabel("share of its models")
    fields[-1].legend(loc="center", fontsize=8)
    FigureCanvasAgg(figure).print_png(str(file))


def _tagged(graph: Graph, word: str) -> Flags:
    out = np.zeros(len(graph), bool)
    for name in ("tags", "library_name", "pipeline_tag"):
        column = graph.columns[name]
        if word in column.categories:
            out[column.codes.rows[column.codes.values == column.categories.index(word)]] = True
    return out


def compare_with_cards(graph: Graph, cards: Path, predictions: Path) -> None:
    """Print how many parents that cards name are predicted, how many rightly, and the confidence."""
    lacks = {graph.ids[row] for row in rows_missing(graph, "base_model").tolist()}
    truth = {}
    for row in rows_in(str(cards)):
        found = NAMED.search(row.get("card") or "")
        if found and row["id"] in lacks:
            truth[row["id"]] = _plain(found[1].strip("/"))
    predicted: dict[str, tuple[bool, float, float]] = {}
    for line in predictions.read_text(encoding="utf-8").splitlines():
        row = json.loads(line)
        name = row["model_id"]
        if name in truth and name not in predicted:
            predicted[name] = _plain(row["value"]) == truth[name], row["confidence"], row["derived_probability"]
    right, confidence, derived = (np.array(column) for column in zip(*predicted.values(), strict=True))
    print(
        f"{len(truth):,} cards name a parent that no tag names; {len(predicted):,} predicted, "
        f"{right.mean():.3f} rightly"
    )
    print(f"confidence {confidence.mean():.3f} on average; that there is a parent {derived.mean():.3f}")
    for low, high in ((0, 0.2), (0.2, 0.4), (0.4, 0.6), (0.6, 0.8), (0.8, 0.9), (0.9, 0.95), (0.95, 1.01)):
        some = (confidence >= low) & (confidence < high)
        if some.any():
            share = f"predicted {confidence[some].mean():.2f}  right {right[some].mean():.2f}"
            print(f"  {low:.2f} to {min(high, 1):.2f}: {some.sum():5,}  {share}")


def _plain(identifier: str) -> str:
    """Return a name without owner, in lower case: many have moved under an owner since."""
    return identifier.rpartition("/")[2].lower()


if __name__ == "__main__":
    main()
