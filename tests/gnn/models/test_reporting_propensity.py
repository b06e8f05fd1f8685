"""Models that name no parent, of a hub whose tools began to name them one day: who has one, and who has none."""

from __future__ import annotations

import json
import random
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from atlas_db.api.explain import explain_model
from atlas_db.columnar.graph import Graph
from atlas_db.columnar.read import read_graph
from atlas_db.core.arrays import Integers
from atlas_db.core.errors import CompletionError
from atlas_db.store.bolt import Store
from gnn.dataset.hashed_tokens import TokenTable
from gnn.dataset.neighbourhood import Neighbourhood
from gnn.dataset.query import CompletionQuery
from gnn.dataset.tasks import HAS_PARENT
from gnn.inference.write_predictions import CompleteOptions, complete_and_write
from gnn.models.reporting_propensity import PropensityModel, has_known_children, name_contains_known_parent
from tests.support.graphs import child, load_rows, model

pytestmark = [pytest.mark.timeout(600), pytest.mark.train]
BASES = ("alpha-base-7b", "beta-large", "gamma-mini-2b", "delta-xl")
BEGAN = datetime(2023, 9, 1, tzinfo=UTC)


def hub(models: int = 1600, seed: int = 3) -> list[dict[str, Any]]:
    """Return list rows: bases, what a trainer made of them, which names them from one day on, and what stands alone.

    Half of what was trained says so in its name, the other half in its tags alone.
    """
    rng = random.Random(seed)
    rows = [model(f"lab/{name}", tags=["transformers"], createdAt="2022-06-01T00:00:00.000Z") for name in BASES]
    for place in range(models):
        when = datetime(2022, 9, 1, tzinfo=UTC) + timedelta(days=600 * place / models)
        date = {"createdAt": f"{when:%Y-%m-%dT%H:%M:%S}.000Z"}
        owner = f"user{rng.randrange(150)}"
        if rng.random() < 0.4:
            name = f"{owner}/ppo-{rng.choice(('walker', 'lander', 'maze'))}-{place}"
            rows.append(model(name, tags=["reinforcement-learning", "stable-baselines3"], **date))
            continue
        base = rng.choice(BASES)
        name = f"{owner}/{base}-finetuned-{place}" if rng.random() < 0.5 else f"{owner}/my_model_{place}"
        declares = when >= BEGAN and rng.random() < 0.9
        tags = ["generated_from_trainer", "transformers", f"kind-{base}"]
        rows.append(child(name, f"lab/{base}", tags=tags, **date) if declares else model(name, tags=tags, **date))
    return rows


def around(graph: Graph) -> Neighbourhood:
    return Neighbourhood(graph, HAS_PARENT, TokenTable(graph, lineage=False, relation=True), ~graph.placeholder)


def queried(graph: Graph, rows: Integers) -> CompletionQuery:
    return CompletionQuery(rows, graph.event_time[rows], np.ones(len(rows), bool))


def test_unreported_parents_are_distinguished_from_roots(local_store: Store, tmp_path: Path) -> None:
    load_rows(local_store, tmp_path, hub())
    graph = read_graph(local_store)
    seen = around(graph)
    learned = PropensityModel.fit(seen)
    assert learned is not None
    everyone = np.arange(len(graph))
    probabilities = learned.predict_proba(seen, queried(graph, everyone))
    roots = probabilities.p_root
    named = np.bincount(graph.parents.rows, minlength=len(graph)) > 0
    trained = np.array(["finetuned" in name or "my_model" in name for name in graph.ids])
    alone, bases = (
        np.array(["ppo-" in name for name in graph.ids]),
        np.array([name[:4] == "lab/" for name in graph.ids]),
    )
    early, late = (
        trained & ~named & ((graph.event_time < BEGAN.timestamp() / 86400) == before) for before in (True, False)
    )
    assert early.sum() > 400 and late.sum() > 20
    # Before the tool named parents silence says nothing, afterwards it says something; nobody's parent is a root.
    assert roots[early].mean() < 0.12 < 0.4 < roots[late].mean()
    assert roots[alone].mean() > 0.9 and np.array_equal(has_known_children(graph, everyone), bases)
    assert probabilities.p_reported[early].mean() < 0.1 and probabilities.p_reported[trained & named].mean() > 0.7
    assert np.allclose(probabilities.p_derived[trained].mean(), 1, atol=0.1)


def test_parents_that_nobody_named_are_found(local_store: Store, tmp_path: Path) -> None:
    rows = hub()
    load_rows(local_store, tmp_path, rows)
    report = complete_and_write(
        local_store, tmp_path, CompleteOptions(("base_model",), out=tmp_path / "p.jsonl", precision=0.8, dry_run=True)
    )
    lines = [json.loads(line) for line in (tmp_path / "p.jsonl").read_text().splitlines()]
    truth = {row["id"]: tag[5:] for row in rows for tag in row["tags"] if tag.startswith("kind-")}
    old = {row["id"] for row in rows if row["id"] in truth and row["createdAt"] < f"{BEGAN:%Y-%m-%d}"}
    found = {line["model_id"]: line["value"] for line in lines}
    assert report.predicted["base_model"] == len(found)
    assert len(old & found.keys()) > 0.8 * len(old)
    assert sum(found[name] == f"lab/{truth[name]}" for name in found if name in truth) > 0.95 * len(found)
    (name, *_) = sorted(old & found.keys())
    explanation = explain_model(local_store, tmp_path, name, "base_model")
    # Its author names none, as everybody then; the two are kept apart.
    assert explanation.no_declaration_probability > 0.5 and explanation.derived_probability > 0.8
    assert explanation.missingness.p_reported < 0.1 < 0.8 < explanation.missingness.p_derived
    assert all(line["confidence"] * line["derived_probability"] >= report.thresholds["base_model"] for line in lines)


def test_a_checkpoint_of_the_propensity_model(
    local_store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    load_rows(local_store, tmp_path, hub())
    graph = read_graph(local_store)
    seen, folder = around(graph), tmp_path / "silence"
    assert PropensityModel.load(folder) is None
    learned = PropensityModel.fit(seen)
    assert learned is not None
    learned.save(folder)
    again = PropensityModel.load(folder)
    assert again is not None
    query = queried(graph, np.arange(0, len(graph), 7))
    assert np.array_equal(learned.predict_proba(seen, query).p_root, again.predict_proba(seen, query).p_root)
    monkeypatch.setattr("gnn.models.reporting_propensity.VERSION", "complete@0")
    assert PropensityModel.load(folder) is None
    monkeypatch.undo()
    (folder / "propensity-1.txt").write_text("tree")
    with pytest.raises(CompletionError, match=r"cannot be read.*"):
        PropensityModel.load(folder)


def test_too_few_names_teach_no_habit(local_store: Store, tmp_path: Path) -> None:
    load_rows(local_store, tmp_path, hub(300))
    assert PropensityModel.fit(around(read_graph(local_store))) is None


def test_names_that_bear_another(local_store: Store, tmp_path: Path) -> None:
    """Known from five children on, older than who bears it, whole between hyphens, and not the model's own."""
    rows = [model("lab/alpha-base", createdAt="2023-05-01T00:00:00.000Z"), model("lab/beta-base")]
    rows += [child(f"me/c{place}", "lab/alpha-base") for place in range(5)]
    rows += [child(f"me/d{place}", "lab/beta-base") for place in range(4)]
    bearing = ("me/alpha-base", "a/x_alpha-base.v2", "a/Alpha-Base-chat", "a/alpha-based", "a/beta-base-2")
    rows += [model(name, createdAt="2024-02-01T00:00:00.000Z") for name in bearing]
    rows.append(model("a/my-alpha-base-too-early", createdAt="2023-04-01T00:00:00.000Z"))
    load_rows(local_store, tmp_path, rows)
    graph = read_graph(local_store)
    found = name_contains_known_parent(graph, np.arange(len(graph)))
    assert {graph.ids[row] for row in np.flatnonzero(found)} == {"a/x_alpha-base.v2", "a/Alpha-Base-chat"}
