# Sourced by findings on ArcadeDB, with its mode (production or development) as the one argument. Installs two pinned
# packages into a temporary folder, starts a server on loopback, and writes a module `server` there: `rows(text)` returns
# the column `found` of a query. Then `run_python` runs a script from standard input beside it.
mode=$1
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
  -Darcadedb.server.rootPath="$folder/root" -Darcadedb.server.rootPassword="$password" -Darcadedb.server.mode="$mode" \
  -Darcadedb.server.httpIncomingHost=127.0.0.1 -Darcadedb.server.httpIncomingPort="$http" \
  -Darcadedb.server.plugins=Bolt:com.arcadedb.bolt.BoltProtocolPlugin -Darcadedb.bolt.host=127.0.0.1 \
  -Darcadedb.bolt.port="$bolt" '-Darcadedb.server.defaultDatabases=atlas[root]' com.arcadedb.server.ArcadeDBServer \
  > "$folder/log" 2>&1 &
server=$!
cat > "$folder/server.py" <<'PYTHON'
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
PYTHON
run_python() { cat > "$folder/ask.py" && "$folder/venv/bin/python" "$folder/ask.py" "bolt://127.0.0.1:$bolt" "$password"; }
