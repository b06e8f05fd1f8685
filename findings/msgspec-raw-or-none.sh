#!/usr/bin/env bash
# msgspec 0.22.0: a field of type `Raw | None` decodes null alone. Building the decoder raises nothing, encoding works, and each
# other value is refused with "Expected `null`". So what was written cannot be read back. A field of type `Raw` takes all.
# Installs one pinned package into a temporary folder. Exits 0 while this is so, 1 once it changes.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check msgspec==0.22.0
"$folder/venv/bin/python" - <<'PYTHON'
import msgspec

print("msgspec", msgspec.__version__)
Maybe = msgspec.defstruct("Maybe", [("body", msgspec.Raw | None)])
Plain = msgspec.defstruct("Plain", [("body", msgspec.Raw)])
written = msgspec.json.encode(Maybe(msgspec.Raw(b'{"a":1}')))
print("written", written)
assert bytes(msgspec.json.decode(written, type=Plain).body) == b'{"a":1}'
assert msgspec.json.decode(b'{"body":null}', type=Maybe).body is None
try:
    print("read", msgspec.json.decode(written, type=Maybe))
except msgspec.ValidationError as error:
    print("refused:", error)
    raise SystemExit(0 if "Expected `null`, got `object`" in str(error) else 1) from None
raise SystemExit(1)
PYTHON
