#!/usr/bin/env bash
# ArcadeDB 26.10.2 runs twice as many requests of clients as there are cores at once, and at least four. All others wait
# in one queue, first come, first served, over all connections and databases. A writer has no place of its own: each of
# its statements waits for those of all readers before it. Beside twenty clients a core that read without a pause, a
# write of one node took 14 s. Beside three, which keep two cores as busy, it took .02 s. One such read took .8 s.
# The setting is arcadedb.queryMaxConcurrent; a client is not told that it waited. Neo4j 5.26 has no such queue.
# Installs two pinned packages into a temporary folder. Exits 0 while this is so, 1 once it changes.
set -euo pipefail
source "$(dirname "$0")/support/arcadedb.sh" production
run_python <<'PYTHON'
import os, threading, time
from statistics import median

from server import driver, rows

READ = "UNWIND range(1, 1500000) AS a WITH a WHERE a % 7 = 3 RETURN count(a) AS found"
rows("CREATE (:N {id: 0}) RETURN 1 AS found")
began = time.perf_counter()
for _ in range(3):
    rows(READ)
alone = (time.perf_counter() - began) / 3

def write_seconds(readers):
    stopped = threading.Event()

    def read():
        while not stopped.is_set():
            rows(READ)

    threads = [threading.Thread(target=read) for _ in range(readers)]
    for thread in threads:
        thread.start()
    time.sleep(3)
    taken = []
    for number in range(5):
        began = time.perf_counter()
        rows(f"CREATE (:N {{id: {number + 1}}}) RETURN 1 AS found")
        taken.append(time.perf_counter() - began)
    stopped.set()
    for thread in threads:
        thread.join()
    return median(taken)

readers = 20 * (os.cpu_count() or 1)
few, many = write_seconds(3), write_seconds(readers)
print(f"{os.cpu_count()} cores; a read alone takes {alone:.2f} s")
print(f"a write of one node beside 3 readers: {few:.2f} s; beside {readers}: {many:.2f} s")
driver.close()
changed = many < 4 * few
print("CHANGED" if changed else "as described")
raise SystemExit(int(changed))
PYTHON
