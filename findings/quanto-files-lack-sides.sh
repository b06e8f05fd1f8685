#!/usr/bin/env bash
# optimum-quanto 0.2.7 saves a 4-bit or 2-bit matrix without its number of rows and columns, in tensors or beside them.
# Linear layers of 256 to 128 and of 512 to 64 become files of the same names, types and shapes: quanto takes the sides
# from the class of the model. Without a bias, nothing in a file tells them apart, and no other reader can.
# In 8 bits the matrix keeps its sides.
# Installs three pinned packages into a temporary folder. Exits 0 while this is so, 1 once it changes.
set -euo pipefail
source "$(dirname "$0")/support/packages.sh" optimum-quanto==0.2.7 torch==2.13.0 safetensors==0.8.0
cat > "$folder/save.py" <<'PYTHON'
import sys
from importlib.metadata import version
from pathlib import Path

import torch
from optimum.quanto import freeze, qint2, qint4, qint8, quantize
from safetensors import safe_open
from safetensors.torch import save_file

folder = Path(sys.argv[1])

def saved(inputs, outputs, kind):
    torch.manual_seed(0)
    model = torch.nn.Sequential(torch.nn.Linear(inputs, outputs, bias=False))
    quantize(model, weights=kind)
    freeze(model)
    file = folder / "model.safetensors"
    save_file({name: value.contiguous() for name, value in model.state_dict().items()}, file)
    with safe_open(file, "pt") as tensors:
        return {name: (str(tensors.get_slice(name).get_dtype()), tuple(tensors.get_slice(name).get_shape()))
                for name in tensors.keys()}

print("optimum-quanto", version("optimum-quanto"))
same = {}
for kind in (qint2, qint4, qint8):
    wide, tall = saved(256, 128, kind), saved(512, 64, kind)
    same[kind.name] = wide == tall
    print(f"{kind.name}: 256 to 128 {wide}")
    print(f"{'':{len(kind.name)}}  512 to 64 {'the same' if wide == tall else tall}")
changed = same != {"qint2": True, "qint4": True, "qint8": False}
print("CHANGED" if changed else "as described")
raise SystemExit(int(changed))
PYTHON
"$folder/venv/bin/python" "$folder/save.py" "$folder" 2> "$folder/log" || { code=$?; tail -5 "$folder/log"; exit $code; }
