#!/usr/bin/env bash
# ArcadeDB 26.10.2 keeps a whole number by the way that it came: a parameter of a query in 64 bits, a literal in Cypher
# and what the bulk import reads (POST /api/v1/batch) in 32 bits, where it fits. All are numbers to every query. But a
# Cypher index declares the property by the numbers that it is built over: LONG, or else INTEGER. From then on an INTEGER
# refuses every number above 2^31, from Cypher as well.
# The import also refuses an edge of a type that the database does not know, which Cypher creates by itself.
# Installs two pinned packages into a temporary folder.
# Exits 0 while this is so, 1 once it changes.
set -euo pipefail
source "$(dirname "$0")/support/arcadedb.sh" development
export HTTP_PORT="$http"
run_python <<'PYTHON'
import base64, json, os, urllib.error, urllib.request
import neo4j
from server import driver, password, rows

USER = base64.b64encode(f"root:{password}".encode()).decode()


def post(path, body, kind):
    request = urllib.request.Request(
        f"http://127.0.0.1:{os.environ['HTTP_PORT']}/api/v1/{path}/atlas", body,
        {"Authorization": f"Basic {USER}", "Content-Type": kind},
    )
    try:
        with urllib.request.urlopen(request) as answer:
            return answer.status, json.loads(answer.read())
    except urllib.error.HTTPError as error:
        return error.code, json.loads(error.read())


def imported(*lines):
    return post("batch", "\n".join(map(json.dumps, lines)).encode(), "application/x-ndjson")


def sql(text):
    return post("command", json.dumps({"language": "sql", "command": text}).encode(), "application/json")[1]["result"]


def type_of(name):
    found = sql(f"SELECT properties FROM schema:types WHERE name = '{name}'")
    return {each["name"]: each["type"] for each in found[0]["properties"]}.get("size")


def taken(label):
    try:
        rows(f"MATCH (n:{label}) SET n.size = 1099511627776 RETURN n.size AS found")
    except neo4j.exceptions.Neo4jError as error:
        return error.message.splitlines()[0][:50]
    return "taken"


sql("CREATE VERTEX TYPE Imported")
status, answer = imported({"@type": "vertex", "@class": "Imported", "@id": "0", "size": 7})
assert status == 200, answer
rows("CREATE (:Literal {size: 7}) RETURN 1 AS found")
with driver.session(database="atlas") as session:
    session.execute_write(lambda tx: tx.run("CREATE (:Parameter {size: $size})", size=7).consume())
seen = {}
for label in ("Imported", "Literal", "Parameter"):
    rows(f"CREATE INDEX IF NOT EXISTS FOR (n:{label}) ON (n.size)")
    seen[label] = type_of(label), taken(label)
    print(f"{label:10} declared {seen[label][0]}, 2^40: {seen[label][1]}")
edge, answer = imported(
    {"@type": "vertex", "@class": "Imported", "@id": "0"},
    {"@type": "edge", "@class": "UNKNOWN", "@from": "0", "@to": "0"},
)
print("edge of an unknown type:", edge, answer.get("detail") or answer.get("error"))
written = rows("CREATE (:Literal)-[r:ALSO_UNKNOWN]->(:Literal) RETURN type(r) AS found")
same = (
    all(seen[label][0] == "INTEGER" and seen[label][1] != "taken" for label in ("Imported", "Literal"))
    and seen["Parameter"] == ("LONG", "taken") and edge == 400 and written == ["ALSO_UNKNOWN"]
)
raise SystemExit(0 if same else "it has changed")
PYTHON
