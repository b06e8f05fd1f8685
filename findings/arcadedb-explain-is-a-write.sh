#!/usr/bin/env bash
# ArcadeDB 26.10.2 answers over Bolt that EXPLAIN and PROFILE of a statement that only reads are of the type "w" (write).
# The plain statement is of the type "r"; in Neo4j the prefix changes nothing about that. A client that shows plans, and refuses what is typed as a write, refuses every plan.
# Installs two pinned packages into a temporary folder. Exits 0 while this is so, 1 once it changes.
set -euo pipefail
source "$(dirname "$0")/support/arcadedb.sh" production
run_python <<'PYTHON'
from server import driver, rows

rows("CREATE (n:Thing {k: 1}) RETURN 1 AS found")
seen = {}
for prefix in ("", "EXPLAIN ", "PROFILE "):
    with driver.session(database="atlas", default_access_mode="READ") as session:
        result = session.run(prefix + "MATCH (n:Thing) RETURN n.k AS k")
        records = len(list(result))
        summary = result.consume()
    seen[prefix] = summary.query_type, summary.plan is not None, summary.profile is not None
    print(f"{prefix or 'plain':8} type {summary.query_type}, rows {records}, plan {seen[prefix][1]}, "
          f"profile {seen[prefix][2]}, updates {summary.counters.contains_updates}")
driver.close()
changed = seen != {"": ("r", False, False), "EXPLAIN ": ("w", True, False), "PROFILE ": ("w", False, True)}
print("CHANGED" if changed else "as described")
raise SystemExit(int(changed))
PYTHON
