#!/usr/bin/env bash
# ArcadeDB 26.10.2 ignores a WHERE in the short form of a quantified relationship, without an error:
#   (x)-[r:R WHERE r.k > 0]->{1,3}(y)         ignored: rows that do not fit are returned
#   (x)((a)-[r:R WHERE r.k > 0]->(b)){1,3}(y)  right
# Neo4j 5.26.30 and 2026.08.1 give the same, right rows for both.
# It also applies a predicate on shortestPath after the search: where only a longer path fits, it returns nothing.
# Neo4j searches on and finds the longer path.
# Installs two pinned packages into a temporary folder. Exits 0 while this is so, 1 once it changes.
set -euo pipefail
folder=$(mktemp -d)
cd "$folder"  # the engine writes its log into the working folder
server=""
trap '[ -z "$server" ] || { kill "$server" 2> /dev/null || true; wait "$server" 2> /dev/null || true; }; rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check arcadedb-embedded==26.10.2.post1 neo4j==6.4.1
package=$("$folder/venv/bin/python" -c 'import importlib.util as u; print(u.find_spec("arcadedb_embedded").submodule_search_locations[0])')
read -r bolt http < <(python3 -c '
import socket
pair = [socket.socket(), socket.socket()]
for each in pair: each.bind(("127.0.0.1", 0))
print(*(each.getsockname()[1] for each in pair))')
password=$(python3 -c 'import secrets; print(secrets.token_hex(16))')
mkdir "$folder/root"
"$package/jre/bin/java" -Xmx512m -cp "$package/jars/*" --add-opens=java.base/java.nio=ALL-UNNAMED \
  -Darcadedb.server.rootPath="$folder/root" -Darcadedb.server.rootPassword="$password" -Darcadedb.server.mode=production \
  -Darcadedb.server.httpIncomingHost=127.0.0.1 -Darcadedb.server.httpIncomingPort="$http" \
  -Darcadedb.server.plugins=Bolt:com.arcadedb.bolt.BoltProtocolPlugin -Darcadedb.bolt.host=127.0.0.1 \
  -Darcadedb.bolt.port="$bolt" '-Darcadedb.server.defaultDatabases=atlas[root]' com.arcadedb.server.ArcadeDBServer \
  > "$folder/log" 2>&1 &
server=$!
cat > "$folder/ask.py" <<'PYTHON'
import logging, sys, time
import neo4j

logging.getLogger("neo4j").setLevel(logging.CRITICAL)  # of the attempts before the server is up

url, password = sys.argv[1:]
driver = neo4j.GraphDatabase.driver(url, auth=("root", password), notifications_min_severity="OFF")

def rows(text):
    with driver.session(database="atlas") as session:
        return session.execute_write(lambda tx: [record["found"] for record in tx.run(text)])

for attempt in range(120):
    try:
        rows("RETURN 1 AS found")
        break
    except (neo4j.exceptions.Neo4jError, neo4j.exceptions.DriverError):
        time.sleep(0.5)
else:
    raise SystemExit("the server did not start")
print(driver.get_server_info().agent)
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
"$folder/venv/bin/python" "$folder/ask.py" "bolt://127.0.0.1:$bolt" "$password"
