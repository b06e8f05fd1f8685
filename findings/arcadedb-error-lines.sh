#!/usr/bin/env bash
# ArcadeDB 26.10.2 states the line of a Cypher syntax error without the blank lines and comments before the statement.
# Neo4j counts all lines of the text. Who shows an editor's user the place must add those lines for ArcadeDB alone.
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
  -Darcadedb.server.rootPath="$folder/root" -Darcadedb.server.rootPassword="$password" -Darcadedb.server.mode=development \
  -Darcadedb.server.httpIncomingHost=127.0.0.1 -Darcadedb.server.httpIncomingPort="$http" \
  -Darcadedb.server.plugins=Bolt:com.arcadedb.bolt.BoltProtocolPlugin -Darcadedb.bolt.host=127.0.0.1 \
  -Darcadedb.bolt.port="$bolt" '-Darcadedb.server.defaultDatabases=atlas[root]' com.arcadedb.server.ArcadeDBServer \
  > "$folder/log" 2>&1 &
server=$!
cat > "$folder/ask.py" <<'PYTHON'
import logging, re, sys, time
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
def place(text):
    try:
        rows(text)
    except neo4j.exceptions.Neo4jError as error:
        return (re.search(r"line (\d+)", str(error)) or [None, "none"])[1], str(error).splitlines()[0][:150]
    return "none", "no error"

WRONG = "MATCH (n) GIVE n"
seen = {}
for name, before in {"first": "", "blank lines": "\n\n", "comments": "// one\n// two\n", "both": "// one\n\n// two\n"}.items():
    seen[name], message = place(before + WRONG)
    print(f"{name:12} true line {before.count(chr(10)) + 1}, stated {seen[name]}: {message}")
changed = set(seen.values()) != {"1"}
inner, message = place("MATCH (n)\n\n// c\nGIVE n")
print(f"inside       true line 4, stated {inner}: {message}")
driver.close()
print("CHANGED" if changed else "as described")
raise SystemExit(int(changed))
PYTHON
"$folder/venv/bin/python" "$folder/ask.py" "bolt://127.0.0.1:$bolt" "$password"
