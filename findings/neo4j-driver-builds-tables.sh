#!/usr/bin/env bash
# neo4j 6.4.1 (Python driver) builds two tables on import that a short program never reads: the days of each month of the
# years 1 to 9999 (119,988 entries), and packed integers (131,584 entries). The same import loads its asynchronous half.
# In a process of one query these are about half of the driver's import. Seen: .18 s of processor for the import, .065 s
# of them for the tables, .03 s for the asynchronous half. `neo4j-rust-ext` changes nothing of it.
# Installs one pinned package into a temporary folder. Exits 0 while this is so, 1 once it changes.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check neo4j==6.4.1
"$folder/venv/bin/python" -c "import neo4j"  # writes the byte code
"$folder/venv/bin/python" - <<'PYTHON'
import sys
import time

began = time.process_time()
import neo4j

took = time.process_time() - began
from neo4j import time as temporal
from neo4j._codec.packstream import v1

months = len(temporal._DAYS_IN_MONTH)
packed = sum(map(len, (v1.PACKED_UINT_8, v1.PACKED_UINT_16, v1.UNPACKED_UINT_8, v1.UNPACKED_UINT_16)))
asynchronous = "neo4j._async.io" in sys.modules
print(f"neo4j {neo4j.__version__}: import {took:.3f} s of processor")
print(f"months {months:,}, packed integers {packed:,}, asynchronous half imported: {asynchronous}")
changed = (months, packed, asynchronous) != (119_988, 131_584, True)
print("CHANGED" if changed else "as described")
raise SystemExit(int(changed))
PYTHON
