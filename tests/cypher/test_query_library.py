"""Every shipped question on both engines, against networkx and against plain counting."""

from __future__ import annotations

import time
from collections import Counter
from typing import Any

import neo4j
import networkx as nx
import pytest

from atlas_db.core.errors import ModelNotFoundError, QueryNotFoundError, QueryParameterError
from atlas_db.core.schema import SCHEMA
from atlas_db.core.settings import Settings
from atlas_db.core.terms import Relation, Status
from atlas_db.lineage.traversal import ancestors, descendants, lineage
from atlas_db.pipeline.sample import sample_files
from atlas_db.store.bolt import Store
from atlas_db.store.connect import credentials, open_store
from atlas_db.store.statements import all_edges, create_edges, create_nodes
from cypher import query_library
from gnn.dataset.tasks import TASKS
from ingest.load.load_records import load
from ingest.load.stream import LoadOptions
from tests.support.stores import wipe

pytestmark = pytest.mark.contract

EXAMPLES = {
    "model": "mlabonne/NeuralBeagle14-7B",
    "other": "mlabonne/Marcoro14-7B-slerp",
    "ancestor": "mlabonne/Marcoro14-7B-slerp",
    "dataset": "squad",
    "license": "apache-2.0",
    "author": "mlabonne",
}
CLOCK = {"started", "finished", "counts"}
"""Columns that no two runs share."""
RESULTS: dict[str, dict[str, list[dict[str, Any]]]] = {}


@pytest.fixture(scope="module")
def sample(engine_settings: Settings, tmp_path_factory: pytest.TempPathFactory) -> Any:
    with open_store(engine_settings) as store:
        wipe(store)
        load(store, sample_files(), LoadOptions(tmp_path_factory.mktemp("home"), as_of="2024-05-31"))
        yield store


def rows_of(store: Store, name: str, **given: str) -> list[dict[str, Any]]:
    query = query_library.find_query(name)
    columns, rows = store.run_user_query(query.text, query.bind(given))
    assert not rows or tuple(columns) == query.columns  # one engine names no columns where there are no rows
    return rows


def graph_of(store: Store) -> Any:
    graph = nx.DiGraph()
    for child, parent, active in store.fetch_all(all_edges("DERIVED_FROM", "Model", "Model", ("active",))):
        if active:
            graph.add_edge(child, parent)
    return graph


@pytest.mark.parametrize("name", sorted(query_library.queries()))
def test_each_query_gives_its_columns_and_the_same_rows_on_both_engines(sample: Store, name: str) -> None:
    query = query_library.find_query(name)
    needed = {p.name: EXAMPLES[p.name] for p in query.parameters if p.default is None}
    rows = rows_of(sample, name, **needed)
    rounded = [
        {k: round(v, 9) if isinstance(v, float) else v for k, v in row.items() if k not in CLOCK} for row in rows
    ]
    if name == "runs":
        rounded = [{k: v for k, v in row.items() if k != "id"} for row in rounded]
    seen = RESULTS.setdefault(name, {})
    seen[sample.engine] = rounded
    first = next(iter(seen.values()))
    assert rounded == first


@pytest.mark.parametrize("name", sorted(query_library.queries()))
def test_every_parameter_that_names_a_node_is_looked_up(sample: Store, name: str) -> None:
    """A mistyped id is an error, not an empty table."""
    query = query_library.find_query(name)
    named = [parameter.name for parameter in query.parameters if parameter.label]
    for wrong in named:
        given = {each: EXAMPLES[each] for each in named if each in EXAMPLES} | {wrong: "no-such/name"}
        if rows_of(sample, name, **given):
            continue  # descendant_count has a row of zero
        with pytest.raises((ModelNotFoundError, QueryParameterError), match="no-such/name"):
            query_library.run_query(sample, name, given)


def test_ancestors_and_descendants_agree_with_networkx(sample: Store) -> None:
    graph = graph_of(sample)
    for model in list(graph)[:80]:
        up = nx.single_source_shortest_path_length(graph, model)
        down = nx.single_source_shortest_path_length(graph.reverse(copy=False), model)
        assert ancestors(sample, model) == {node: hops for node, hops in up.items() if hops}
        assert descendants(sample, model) == {node: hops for node, hops in down.items() if hops}
        assert {row["id"] for row in rows_of(sample, "ancestors", model=model)} == set(up) - {model}
        assert rows_of(sample, "descendant_count", model=model) == [{"descendants": len(down) - 1}]
        roots = {node for node in up if graph.out_degree(node) == 0} - {model}
        assert {row["id"] for row in rows_of(sample, "roots", model=model)} == roots


def test_path_is_every_edge_between(sample: Store) -> None:
    graph = graph_of(sample)
    model = max(graph, key=lambda node: len(nx.descendants(graph, node)))
    ancestor = max(nx.descendants(graph, model), key=lambda node: (graph.in_degree(node), node))
    between = (nx.descendants(graph, model) | {model}) & (nx.ancestors(graph, ancestor) | {ancestor})
    expected = set(graph.subgraph(between).edges)
    rows = rows_of(sample, "path", model=model, ancestor=ancestor)
    assert {(row["child"], row["parent"]) for row in rows} == expected
    assert all(row["mention"] and row["method"] for row in rows)
    common = {row["id"] for row in rows_of(sample, "common_ancestor", model=model, other=ancestor)}
    assert common == nx.descendants(graph, ancestor) | {ancestor}


def test_counts_agree_with_counting_by_hand(sample: Store) -> None:
    graph = graph_of(sample)
    children = Counter(parent for _, parent in graph.edges)
    rows = rows_of(sample, "top_parents", limit="5")
    assert [row["children"] for row in rows] == sorted(children.values(), reverse=True)[:5]
    found = lineage(sample, rows[0]["id"])
    assert found.counts["children"] == children[rows[0]["id"]]
    assert sum(found.counts["children_by_relation"].values()) == children[rows[0]["id"]]


def test_shapes_agree_with_counting_by_hand(sample: Store) -> None:
    """What lies behind the cards of the dashboard: degrees, fans, snakes, merges; counted on networkx's graph."""
    graph = graph_of(sample)
    children = {node: graph.in_degree(node) for node in graph}
    degrees = {row["children"]: row["models"] for row in rows_of(sample, "degree_distribution")}
    assert degrees == Counter(number for number in children.values() if number)
    leaves = {node: sum(children[child] == 0 for child in graph.predecessors(node)) for node in graph}
    fans = {node for node, number in children.items() if number >= 3 and leaves[node] >= 0.9 * number}
    assert {row["id"] for row in rows_of(sample, "fans", children="3", limit="1000")} == fans
    assert fans
    links = {(p, c) for c, p in graph.edges if children[p] == 1 and graph.out_degree(c) == 1}
    assert {(row["parent"], row["child"]) for row in rows_of(sample, "snakes", limit="1000")} == links
    assert links
    steps = rows_of(sample, "edge_traits", limit="10000")
    assert {(row["child"], row["parent"]) for row in steps} == set(graph.edges)
    assert sum(row["edges"] for row in rows_of(sample, "language_steps")) == len(steps)
    assert sum(row["children"] for row in rows_of(sample, "relations_by_popularity")) == len(steps)
    merged = Counter(row["child"] for row in steps if row["relation"] == "merge")
    assert {row["parents"]: row["models"] for row in rows_of(sample, "merges")} == Counter(merged.values())


def test_contradicted_edges_are_outside_traversals(store: Store) -> None:
    store.write(lambda tx: tx.run_batch(create_nodes("Model"), [{"id": name} for name in ("a", "b", "c")]))
    names = ("relation", "confidence", "status", "sources", "active")
    edges = [["a", "b", "finetune", 0.9, "declared", ["declared"], True],
             ["b", "c", "finetune", 0.05, "contradicted", ["declared"], False]]  # fmt: skip
    store.write(lambda tx: tx.run_batch(create_edges("DERIVED_FROM", "Model", "Model", names), edges))
    assert ancestors(store, "a") == {"b": 1}
    assert [row["id"] for row in rows_of(store, "ancestors", model="a")] == ["b"]
    assert [row["child"] for row in rows_of(store, "contradicted")] == ["b"]
    assert [step.parent for step in lineage(store, "a", depth=0, contradicted=True).ancestors] == ["b", "c"]
    assert lineage(store, "a", min_confidence=0.95).ancestors == []


LADDER = 30


def test_no_query_enumerates_paths(store: Store) -> None:
    """A ladder of 30 layers of 3, fully linked, holds 3^29 paths: no lineage question goes over them."""
    layers = [[f"l/{depth}-{place}" for place in range(3)] for depth in range(LADDER)]
    nodes = [{"id": name, "downloads": 1, "license": "mit"} for layer in layers for name in layer]
    edges = [
        [low, high, "finetune", 0.9, "declared", ["declared"], True]
        for lower, upper in zip(layers, layers[1:], strict=False)
        for low in lower
        for high in upper
    ]
    names = ("relation", "confidence", "status", "sources", "active")
    store.write(lambda tx: tx.run_batch(create_nodes("Model"), nodes))
    store.write(lambda tx: tx.run_batch(create_edges("DERIVED_FROM", "Model", "Model", names), edges))
    given = {
        "model": "l/0-0",
        "other": "l/0-1",
        "ancestor": f"l/{LADDER - 1}-0",
        "license": "mit",
        "dataset": "none",
        "author": "l",
    }
    for query in query_library.queries().values():
        needed = {p.name: given[p.name] for p in query.parameters if p.default is None}
        if query.name in ("descendants", "family", "descendant_count", "best_descendants", "children"):
            needed["model"] = f"l/{LADDER - 1}-0"
        rows_of(store, query.name, **needed)  # the first run pays for planning
        began = time.monotonic()
        rows = rows_of(store, query.name, **needed)
        assert time.monotonic() - began < 60, f"{query.name} goes over paths: all of them take years"
        if query.name == "ancestors":
            assert len(rows) == 3 * (LADDER - 1)
        if query.name == "path":
            assert len(rows) == 3 + 9 * (LADDER - 3) + 3
    assert len(ancestors(store, "l/0-0")) == 3 * (LADDER - 1)


@pytest.mark.parametrize("language", ["CYPHER 5", "CYPHER 25"])
def test_no_question_uses_what_neo4j_has_deprecated(newest_neo4j_settings: Settings, language: str) -> None:
    def deprecated(text: str, parameters: dict[str, Any]) -> list[str]:
        summary = driver.execute_query(f"{language} EXPLAIN {text}", parameters).summary
        found = [status for status in summary.gql_status_objects if status.raw_classification == "DEPRECATION"]
        return [status.status_description for status in found]

    with (
        open_store(newest_neo4j_settings) as store,
        neo4j.GraphDatabase.driver(
            store.address,
            auth=credentials(newest_neo4j_settings),
            warn_notification_severity="OFF",
            notifications_disabled_classifications=["UNRECOGNIZED", "PERFORMANCE"],
        ) as driver,
    ):
        for query in query_library.queries().values():
            given = {p.name: EXAMPLES[p.name] if p.default is None else p.default for p in query.parameters}
            assert deprecated(query.text, given) == [], query.name
        assert deprecated("CALL { MATCH (m:Model) RETURN m } RETURN m", {}) != []


def test_errors_of_the_library_end_with_what_to_do() -> None:
    with pytest.raises(QueryNotFoundError, match="Did you mean ancestors"):
        query_library.find_query("ancestor_s")
    query = query_library.find_query("lineage/descendants")
    with pytest.raises(QueryParameterError, match="--param model="):
        query.bind({})
    with pytest.raises(QueryParameterError, match="has no parameter 'depth'"):
        query.bind({"model": "x", "depth": "3"})
    with pytest.raises(
        QueryParameterError, match="takes a whole number from 0 on, not 'many'. Write it as --param limit=100"
    ):
        query.bind({"model": "x", "limit": "many"})
    with pytest.raises(QueryParameterError, match="takes no 'undeclard'. Did you mean undeclared"):
        query_library.find_query("edges").bind({"status": "undeclard"})
    assert query_library.find_query("top_parents").bind({"relation": ""})["relation"] == ""
    assert query.bind({"model": "x"}) == {"model": "x", "limit": 100}
    assert query_library.find_query("best_descendants").bind({"model": "x", "licenses": "mit, isc"})["licenses"] == [
        "mit",
        "isc",
    ]


def test_values_of_parameters_are_those_of_the_code() -> None:
    """A header lists what the code defines: relations, statuses, attributes, and numbers of a model."""
    choices: dict[str, set[str]] = {}
    for query in query_library.queries().values():
        for parameter in query.parameters:
            if parameter.choices:
                choices.setdefault(parameter.name, set()).update(parameter.choices)
    assert choices["relation"] == set(Relation)
    assert choices["status"] == set(Status)
    assert choices["attribute"] == set(TASKS) - {"base_model"}
    numbers = {prop.name for prop in SCHEMA.node("Model").properties if prop.type == "integer"}
    assert choices["by"] <= numbers and len(choices) == 4
