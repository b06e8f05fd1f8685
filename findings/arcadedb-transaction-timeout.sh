#!/usr/bin/env bash
# ArcadeDB 26.10.2 takes no notice over Bolt of a transaction's timeout, which Neo4j's drivers send and its server enforces.
# A statement goes on as well after the process that sent it was killed. TERMINATE TRANSACTIONS ends both at once.
# Installs two pinned packages into a temporary folder. Exits 0 while this is so, 1 once it changes.
set -euo pipefail
source "$(dirname "$0")/support/arcadedb.sh" production
run_python <<'PYTHON'
import subprocess, sys, threading, time
import neo4j
from server import driver, password, url

LONG = "UNWIND range(1, 4000) AS a UNWIND range(1, 4000) AS b UNWIND range(1, 100) AS c WITH a + b + c AS x WHERE x < 0 RETURN x"

def running():
    found = driver.execute_query("SHOW TRANSACTIONS", database_="atlas").records
    return [row["transactionId"] for row in found if row["currentQuery"] == LONG]

def end():
    for identifier in running():
        driver.execute_query("TERMINATE TRANSACTIONS $id", {"id": identifier}, database_="atlas")
    time.sleep(2)
    return not running()

seen, outcome = {}, []

def ask():
    try:
        with driver.session(database="atlas") as session, session.begin_transaction(timeout=1) as tx:
            tx.run(LONG).consume()
    except neo4j.exceptions.Neo4jError as error:
        outcome.append(error.code)

thread = threading.Thread(target=ask)
thread.start()
time.sleep(6)
seen["6 s into a transaction with a timeout of 1 s, it runs"] = len(running()) == 1
seen["TERMINATE TRANSACTIONS ends it"] = end()
thread.join()
print("the client was told", outcome)
client = "import neo4j, sys; d = neo4j.GraphDatabase.driver(sys.argv[1], auth=('root', sys.argv[2])); d.execute_query(sys.argv[3], database_='atlas')"
process = subprocess.Popen([sys.executable, "-c", client, url, password, LONG])
while not running():
    time.sleep(0.1)
process.kill()
process.wait()
time.sleep(5)
seen["5 s after its client was killed, it runs"] = len(running()) == 1
seen["TERMINATE TRANSACTIONS ends that, too"] = end()
for what, so in seen.items():
    print(f"{what}: {so}")
driver.close()
changed = not all(seen.values())
print("CHANGED" if changed else "as described")
raise SystemExit(int(changed))
PYTHON
