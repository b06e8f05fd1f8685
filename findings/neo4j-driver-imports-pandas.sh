#!/usr/bin/env bash
# The Neo4j driver for Python, 6.4.1, imports pandas, numpy and pyarrow while it is itself imported, if they are
# installed, though only values of theirs that are sent or asked for need them. In an environment that has them for other
# reasons, `import neo4j` takes several times as long, in each process of a command-line tool.
# Installs pinned packages into a temporary folder. Prints the imported modules and both times of the processor.
# Exits 0 while this is so, 1 once it changes.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
for name in plain full; do python3 -m venv "$folder/$name"; done
"$folder/plain/bin/pip" install --quiet --disable-pip-version-check neo4j==6.4.1
"$folder/full/bin/pip" install --quiet --disable-pip-version-check neo4j==6.4.1 pandas==2.3.3 numpy==2.3.4 pyarrow==22.0.0
cat > "$folder/ask.py" <<'PYTHON'
import sys, time
start = time.process_time()
import neo4j
spent = time.process_time() - start
print(f"{spent:.3f}", *sorted({"numpy", "pandas", "pyarrow"} & set(sys.modules)))
PYTHON
for name in plain full; do "$folder/$name/bin/python" "$folder/ask.py" > /dev/null; done  # writes the byte code
plain=$("$folder/plain/bin/python" "$folder/ask.py")
full=$("$folder/full/bin/python" "$folder/ask.py")
echo "without them: $plain s of the processor, with them installed: $full"
[ "${full#* }" = "numpy pandas pyarrow" ] || { echo "it has changed: they are no longer all imported"; exit 1; }
python3 -c 'import sys; print(f"ratio {float(sys.argv[2]) / float(sys.argv[1]):.1f}")' "${plain%% *}" "${full%% *}"
