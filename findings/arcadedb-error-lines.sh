#!/usr/bin/env bash
# ArcadeDB 26.10.2 states the line of a Cypher syntax error without the blank lines and comments before the statement.
# Neo4j counts all lines of the text. Who shows an editor's user the place must add those lines for ArcadeDB alone.
# Installs two pinned packages into a temporary folder. Exits 0 while this is so, 1 once it changes.
set -euo pipefail
source "$(dirname "$0")/support/arcadedb.sh" development
run_python <<'PYTHON'
import re

import neo4j

from server import driver, rows

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
