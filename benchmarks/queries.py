"""How fast questions are, warm, over Bolt: against networkx in memory and DuckDB's recursive SQL on the same edges.

    uv run python benchmarks/queries.py [--store local:DIR]

The store must hold the graph already (load the full list first).
"""

from __future__ import annotations

import argparse
import random
import statistics
import sys
import time
from collections.abc import Callable, Sequence

import duckdb
import networkx as nx

from atlas_db.core.settings import load_settings
from atlas_db.lineage.traversal import lineage
from atlas_db.store.bolt import Store
from atlas_db.store.connect import open_store
from atlas_db.store.statements import all_edges
from cypher import query_library

SAMPLE = 400
LOOKUP = "MATCH (m:Model {id: $model}) RETURN m.downloads AS downloads"
RECURSIVE = """
WITH RECURSIVE up(id) AS (SELECT parent FROM e WHERE child = ?
UNION SELECT e.parent FROM e JOIN up ON e.child = up.id) SELECT id FROM up
"""


def timed(work: Callable[[str], object], models: Sequence[str]) -> tuple[float, float]:
    """Return p50 and p99 in milliseconds."""
    spent = []
    for model in models:
        began = time.perf_counter()
        work(model)
        spent.append((time.perf_counter() - began) * 1000)
    ordered = sorted(spent)
    return statistics.median(ordered), ordered[min(len(ordered) - 1, int(len(ordered) * 0.99))]


def _runner(store: Store, name: str) -> Callable[[str], object]:
    text = query_library.find_query(name).text
    return lambda model: store.run_user_query(text, {"model": model})


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--store", default=None)
    out = sys.stdout.write
    with open_store(load_settings(store=parser.parse_args().store)) as store:
        edges = [(child, parent) for child, parent in store.fetch_all(all_edges("DERIVED_FROM", "Model", "Model", ()))]
        graph = nx.DiGraph(edges)
        table = duckdb.connect()
        table.execute("CREATE TABLE e (child VARCHAR, parent VARCHAR)")
        table.executemany("INSERT INTO e VALUES (?, ?)", edges[:1])
        import pyarrow as pa

        arrow = pa.table({"child": [c for c, _ in edges[1:]], "parent": [p for _, p in edges[1:]]})
        table.register("rest", arrow)
        table.execute("INSERT INTO e SELECT * FROM rest")
        models = random.Random(7).sample(sorted(graph), min(SAMPLE, len(graph)))
        rows: list[tuple[str, Callable[[str], object]]] = [
            ("point lookup", lambda model: store.run_user_query(LOOKUP, {"model": model})),
            ("ancestors", _runner(store, "ancestors")),
            ("ancestors, networkx", lambda model: nx.descendants(graph, model)),
            ("ancestors, DuckDB", lambda model: table.execute(RECURSIVE, [model]).fetchall()),
            ("one-step lineage", lambda model: lineage(store, model)),
        ]
        out(f"{len(edges):,} edges, {len(models)} models, milliseconds\n")
        for name, work in rows:
            timed(work, models[:200])
            p50, p99 = timed(work, models)
            out(f"{name:<22} p50 {p50:8.2f}   p99 {p99:8.2f}\n")
        hub = max(graph, key=lambda node: len(nx.ancestors(graph, node)) if graph.in_degree(node) > 500 else 0)
        count = _runner(store, "descendant_count")
        count(hub)
        p50, _ = timed(count, [hub] * 10)
        reference, _ = timed(lambda model: len(nx.ancestors(graph, model)), [hub] * 10)
        out(
            f"descendants of {hub}: {len(nx.ancestors(graph, hub)):,} "
            f"in p50 {p50:.1f} ms; networkx {reference:.1f} ms\n"
        )


if __name__ == "__main__":
    main()
