# Recipes of the project: `just` lists them. Run them in the environment that `just setup` makes.

# Tests start many processes, so byte code is kept. Python takes an empty value of this variable as unset
export PYTHONDONTWRITEBYTECODE := ""

fast := "not engine and not neo4j and not browser and not train and not slow"
# Tests that share a fixture stay together, and long ones come first. Engines and browsers make a process wait, so all
# tests take one process more than the fast ones
parallel := "--dist loadgroup --no-loadscope-reorder"
# Threads of numeric libraries that wait by spinning would take the time of the other processes
calm := "OMP_WAIT_POLICY=passive OPENBLAS_NUM_THREADS=1"

# Fuzzing with one seed mutates alike each time: `just seed=2 fuzz`
seed := "1"

_default:
    @just --list --unsorted

# Bring the environment up to date
setup:
    uv sync --frozen --all-extras --all-groups

# Fast tests: no engine, no browser, no training
test *ARGS:
    {{ calm }} pytest -n 2 {{ parallel }} -m "{{ fast }}" {{ ARGS }}

# All tests, on both engines
test-all *ARGS:
    {{ calm }} pytest -n 3 {{ parallel }} --durations=30 {{ ARGS }}

# Tests of the graph on one version of Neo4j, such as 2026.08.1
test-neo4j VERSION *ARGS:
    {{ calm }} ATLAS_DB_TEST_NEO4J_VERSION={{ VERSION }} pytest -n 2 {{ parallel }} -m neo4j {{ ARGS }}

# Style, types, layers, dependencies, spelling, docs
[parallel]
check: style types layers dependencies spelling site

style:
    ruff check
    ruff format --check

types:
    mypy

layers:
    lint-imports

dependencies:
    deptry .

spelling:
    codespell

# Build the docs; a broken link is an error
site:
    NO_MKDOCS_2_WARNING=1 mkdocs build --strict

# List words of the old dialect in names and docstrings
words *PATHS:
    python -m tests.support.vocabulary {{ PATHS }}

# Format and repair what can be repaired
fix:
    ruff check --fix
    ruff format

# Serve the docs, and rebuild them on each change
docs:
    mkdocs serve

# Write the generated reference pages and SCHEMA.md
reference:
    python -m benchmarks.reference

# Write true outputs into README and docs; FOLDER holds the `home` of a demo
examples FOLDER *PAGES:
    python -m tests.support.doc_examples {{ FOLDER }} {{ PAGES }}

# Run the demo
demo:
    atlas-db demo

# List the benchmarks
bench:
    @python -m benchmarks

# Read mutated inputs, SECONDS for each reader of foreign text; what a reader does not name is kept in fuzz-found/
fuzz SECONDS="50" *TARGETS:
    python -m benchmarks.fuzz --seconds {{ SECONDS }} --seed {{ seed }} {{ TARGETS }}

# Read inputs that are led by the lines they reach, SECONDS for each TARGET; what reaches new ones is kept in fuzz-corpus/
fuzz-guided SECONDS="60" *TARGETS="records cards arrays licences toml suppressions parameters lists listing modules safetensors configurations gguf onnx":
    failed=0; for target in {{ TARGETS }}; do python -m benchmarks.guided_fuzz "$target" --seconds {{ SECONDS }} --seed {{ seed }} || failed=1; done; exit $failed

# Five minutes of fuzzing, shared by all targets of both kinds, with other inputs each day
fuzz-nightly SECONDS="300":
    failed=0; for kind in fuzz fuzz-guided; do {{ just_executable() }} seed=$(date +%Y%m%d) "$kind" $(({{ SECONDS }} / 29)) || failed=1; done; exit $failed

# Keep the fewest small inputs of fuzz-corpus/ that reach what all of it reaches, for the next guided fuzzing
fuzz-keep *TARGETS:
    python -m benchmarks.fuzz_seeds {{ TARGETS }}

# Set the version in pyproject.toml and CITATION.cff
version VERSION:
    uv version {{ VERSION }}
    python -c 'import re; from pathlib import Path; p = Path("CITATION.cff"); p.write_text(re.sub(r"(?m)^version: .*", "version: {{ VERSION }}", p.read_text()))'

# Kill each stage that writes at ten random moments, and run it again
faults:
    ATLAS_DB_TEST_KILLS=10 pytest --timeout 3600 tests/faults

# Build the wheel and test it in bare environments
wheel:
    uv build --out-dir dist
    pytest tests/packaging

# Bill of materials of the product, and known vulnerabilities of what it needs
supply-chain:
    python -m release.bill dist/model-atlas-db.cdx.json
    python -m release.advisories
