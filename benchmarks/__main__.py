"""Lists the benchmarks with what each measures: `python -m benchmarks`."""

from __future__ import annotations

import ast
from pathlib import Path

if __name__ == "__main__":
    for file in sorted(Path(__file__).parent.glob("[!_]*.py")):
        text = ast.get_docstring(ast.parse(file.read_text(encoding="utf-8"))) or ""
        print(f"{file.stem:<12} {' '.join(text.split(chr(10) * 2)[0].split())}")
    print(f"{'real':<12} Public test sets, by ids alone: `python -m benchmarks.real run --models DIR --hub --out OUT`.")
    print(f"{'zoo':<12} Families of small models with a known lineage: `python -m benchmarks.zoo OUT --seed 1`.")
    print(f"{'zoo.tools':<12} Families by transformers and others: `python -m benchmarks.zoo.tools OUT --seed 1`.")
