#!/usr/bin/env bash
# ArcadeDB 26.10.2 chooses the cheaper end of a pattern in the first MATCH of a query only. Where many nodes point at few,
# and these are returned with counts,
#   MATCH (m:Model)-[:HAS]->(t:Task)                begins at the few,
#   WITH 1 AS one MATCH (m:Model)-[:HAS]->(t:Task)  reads every node of the many;
#   WITH 1 AS one MATCH (t:Task)<-[:HAS]-(m:Model)  begins at the few, as written.
# Counts of relationships read every node, though `CALL meta.stats()` has the numbers at hand; counts of nodes do not.
# A CALL subquery without variables of the outer query is run again for each of its rows.
# Installs two pinned packages into a temporary folder. Prints milliseconds and ratios.
# Exits 0 while this is so, 1 once it changes.
set -euo pipefail
source "$(dirname "$0")/support/arcadedb.sh" production
run_python <<'PYTHON'
import time
from server import rows

MODELS, LINKED = 200_000, 20_000
for begin in range(0, MODELS, 20_000):
    rows(f"UNWIND range({begin}, {begin + 19_999}) AS n CREATE (:Model {{id: n}}) RETURN count(*) AS found")
rows("UNWIND range(0, 9) AS n CREATE (:Task {id: n}) RETURN count(*) AS found")
rows("CREATE INDEX by_id IF NOT EXISTS FOR (m:Model) ON (m.id)")
rows(f"UNWIND range(0, {LINKED - 1}) AS n MATCH (m:Model {{id: n}}), (t:Task {{id: n % 10}}) CREATE (m)-[:HAS]->(t) "
     "RETURN count(*) AS found")


def seconds(text, expected):
    spent = []
    for _ in range(5):
        start = time.perf_counter()
        found = rows(text)
        spent.append(time.perf_counter() - start)
        assert found == expected, (text, found[:3])
    return sorted(spent)[2]


by_task = "RETURN t.id AS found, count(m) AS models ORDER BY found"
first = seconds(f"MATCH (m:Model)-[:HAS]->(t:Task) {by_task}", list(range(10)))
later = seconds(f"WITH 1 AS one MATCH (m:Model)-[:HAS]->(t:Task) {by_task}", list(range(10)))
turned = seconds(f"WITH 1 AS one MATCH (t:Task)<-[:HAS]-(m:Model) {by_task}", list(range(10)))
edges = seconds("MATCH ()-[r:HAS]->() RETURN count(r) AS found", [LINKED])
stats = seconds("CALL meta.stats() YIELD value RETURN value.relTypes.HAS AS found", [LINKED])
nodes = seconds("MATCH (m:Model) RETURN count(m) AS found", [MODELS])
counted = "CALL { MATCH (m:Model) RETURN count(m.id) AS every }"
once = seconds(f"{counted} RETURN every AS found", [MODELS])
again = seconds(f"MATCH (t:Task) {counted} RETURN every AS found", [MODELS] * 10)
for name, spent in {
    "first MATCH": first, "after WITH": later, "after WITH, turned": turned, "count of edges": edges,
    "edges by meta.stats": stats, "count of nodes": nodes, "subquery": once, "subquery after ten rows": again,
}.items():
    print(f"{name:24}{spent * 1000:9.1f} ms")
same = later > 2 * first and later > 2 * turned and edges > 10 * stats and again > 4 * once
raise SystemExit(0 if same else "it has changed")
PYTHON
