#!/usr/bin/env bash
# ArcadeDB 26.10.2 ignores a WHERE in the short form of a quantified relationship, without an error:
#   (x)-[r:R WHERE r.k > 0]->{1,3}(y)         ignored: rows that do not fit are returned
#   (x)((a)-[r:R WHERE r.k > 0]->(b)){1,3}(y)  right
# Neo4j 5.26.30 and 2026.08.1 give the same, right rows for both.
# It also applies a predicate on shortestPath after the search: where only a longer path fits, it returns nothing.
# Neo4j searches on and finds the longer path.
# Installs two pinned packages into a temporary folder. Exits 0 while this is so, 1 once it changes.
set -euo pipefail
source "$(dirname "$0")/support/arcadedb.sh" production
run_python <<'PYTHON'
from server import driver, rows

rows("CREATE (a:N {id: 'a'})-[:R {k: 1}]->(b:N {id: 'b'})-[:R {k: 1}]->(c:N {id: 'c'})-[:R {k: 0}]->(:N {id: 'd'}), "
     "(a)-[:R {k: 0}]->(c) RETURN 1 AS found")
FITS = {"+": "bc", "*": "abc", "{2}": "c", "{1,3}": "bc", "{2,}": "c", "{,2}": "abc"}
changed = False
for quantifier, expected in FITS.items():
    seen = {}
    for name, step in {
        "no filter": f"-[r:R]->{quantifier}",
        "short form": f"-[r:R WHERE r.k > 0]->{quantifier}",
        "in parentheses": f"((p)-[r:R WHERE r.k > 0]->(q)){quantifier}",
        "in parentheses, after": f"((p)-[r:R]->(q) WHERE r.k > 0){quantifier}",
        "property map": f"-[:R {{k: 1}}]->{quantifier}",
    }.items():
        text = f"MATCH (x:N {{id: 'a'}}){step}(y) RETURN DISTINCT y.id AS found ORDER BY found"
        seen[name] = "".join(rows(text))
    print(f"{quantifier:6}", f"fits: {expected:5}", seen)
    ignored = seen.pop("short form") == seen.pop("no filter") != expected
    changed |= not ignored or set(seen.values()) != {expected}
text = ("MATCH p = shortestPath((:N {id: 'a'})-[:R*1..]->(:N {id: 'c'})) "
        "WHERE all(r IN relationships(p) WHERE r.k > 0) RETURN length(p) AS found")
found = rows(text)
print("shortestPath with a predicate:", found, "(Neo4j: [2])")
changed |= found != []
driver.close()
print("CHANGED" if changed else "as described")
raise SystemExit(int(changed))
PYTHON
