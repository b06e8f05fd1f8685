#!/usr/bin/env bash
# Typer 0.29 converts the options of a command by pydantic, which it imports when a command runs. Typer 0.28 had its own
# conversion. A command with one option that has choices takes three times as long in the processor, .1 s more, before
# its first line. A tool that is run once for each file or model pays that each time.
# Installs two pinned versions into a temporary folder. Prints modules and seconds of the processor.
# Exits 0 while this is so, 1 once it changes.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cat > "$folder/tool.py" <<'PYTHON'
import sys
import time
from enum import Enum

start = time.process_time()
import typer


class Form(str, Enum):
    rows = "rows"
    json = "json"


def main(form: Form = Form.rows) -> None:
    print(f"{time.process_time() - start:.3f}", "pydantic" in sys.modules)


typer.run(main)
PYTHON
for version in 0.28.0 0.29.2; do
  python3 -m venv "$folder/$version"
  "$folder/$version/bin/pip" install --quiet --disable-pip-version-check "typer==$version" pydantic==2.14.3
  "$folder/$version/bin/python" "$folder/tool.py" --form json > /dev/null  # writes the byte code
done
before=$("$folder/0.28.0/bin/python" "$folder/tool.py" --form json)
after=$("$folder/0.29.2/bin/python" "$folder/tool.py" --form json)
echo "seconds, and whether pydantic is imported: 0.28.0: $before, 0.29.2: $after"
[ "${before#* }" = False ] && [ "${after#* }" = True ] || { echo "it has changed: pydantic is no longer imported"; exit 1; }
python3 -c 'import sys; print(f"ratio {float(sys.argv[2]) / float(sys.argv[1]):.1f}")' "${before%% *}" "${after%% *}"
