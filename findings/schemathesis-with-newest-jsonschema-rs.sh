#!/usr/bin/env bash
# Next to jsonschema-rs 0.61.2, pip takes schemathesis 4.24.3: that is the newest release without an upper bound on it, and
# 4.32.5 is the newest of all. It installs without a complaint, and its fuzzing makes no request to any interface: it calls
# `is_satisfiable`, which jsonschema-rs has not had since 0.50. Only with --mode positive does it print that error; by
# default it ends with 1 and "Empty test suite". 4.32.5 with the jsonschema-rs 0.60 that it asks for tests the interface.
# Installs pinned packages into a temporary folder, and serves an interface of one operation on the loopback.
# Prints what each installation does. Exits 0 while this is so, 1 once it changes.
set -euo pipefail
folder=$(mktemp -d)
trap 'kill "${server:-}" 2> /dev/null || true; rm -rf "$folder"' EXIT
cat > "$folder/serve.py" <<'PYTHON'
import http.server
import json
import pathlib
import sys

PARAMETER = {"name": "page", "in": "query", "required": True, "schema": {"type": "integer"}}
PATHS = {"/pages": {"get": {"parameters": [PARAMETER], "responses": {"200": {"description": "a page"}}}}}
SPEC = {"openapi": "3.1.0", "info": {"title": "pages", "version": "1"}, "paths": PATHS}


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        body = json.dumps(SPEC if self.path == "/openapi.json" else {}).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *arguments):
        pass


with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
    pathlib.Path(sys.argv[1]).write_text(str(server.server_address[1]))
    server.serve_forever()
PYTHON
python3 "$folder/serve.py" "$folder/port" &
server=$!
until [ -s "$folder/port" ]; do sleep 0.1; done

tried() {
  python3 -m venv "$folder/$1"
  "$folder/$1/bin/pip" install --quiet --disable-pip-version-check "${@:2}"
  "$folder/$1/bin/pip" check > /dev/null
  "$folder/$1/bin/pip" list --disable-pip-version-check 2> /dev/null | grep -E '^(schemathesis|jsonschema[-_]rs) ' | tr -s ' ' | paste -sd ';'
  (cd "$folder" && "$folder/$1/bin/schemathesis" run "http://127.0.0.1:$(cat port)/openapi.json" --phases fuzzing \
    --mode positive --checks response_schema_conformance --max-examples 5 --no-color > "$1.txt" 2>&1) && echo "  tests it" || {
    grep -oE "'[a-zA-Z.]+' object has no attribute '[a-z_]+'" "$folder/$1.txt" | sort -u | sed 's/^/  /'
  }
}

found=$(
  tried newest "schemathesis<=4.32.5" jsonschema-rs==0.61.2
  tried alone schemathesis==4.32.5 jsonschema-rs==0.60.3
)
echo "$found"
expected="jsonschema_rs 0.61.2;schemathesis 4.24.3
  'builtins.CanonicalSchema' object has no attribute 'is_satisfiable'
jsonschema_rs 0.60.3;schemathesis 4.32.5
  tests it"
[ "$found" = "$expected" ] || { echo "it has changed"; exit 1; }
