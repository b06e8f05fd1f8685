#!/usr/bin/env bash
# bitsandbytes 0.50.2 on CPU: dequantize_4bit gives back other weights than quantize_4bit stored, where the columns of a
# matrix are no multiple of the block size. The stored codes and scales are right: read block by block over the flattened
# matrix, as they are stored, they give each weight within half a step. With columns that are a multiple both agree.
# Seen with NF4 and FP4, float32 and bfloat16, torch 2.13.0. No error or warning is given.
# Installs two pinned packages into a temporary folder. Exits 0 while this is so, 1 once it changes.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check bitsandbytes==0.50.2 torch==2.13.0 numpy==2.4.6
cat > "$folder/try.py" <<'PYTHON'
import bitsandbytes, numpy as np, torch
import bitsandbytes.functional as functional

print("bitsandbytes", bitsandbytes.__version__, "torch", torch.__version__)
torch.manual_seed(1)
changed = False
for columns in (64, 80, 96, 128, 192):
    weights = torch.randn(6, columns) * 0.1
    codes, state = functional.quantize_4bit(weights, blocksize=64, quant_type="nf4")
    returned = functional.dequantize_4bit(codes, state).numpy()
    raw = codes.reshape(-1).numpy()
    fields = np.stack((raw >> 4, raw & 15), -1).reshape(-1)
    scales = np.repeat(state.absmax.numpy(), 64)[: fields.size]
    stored = (state.code.numpy()[fields] * scales).reshape(weights.shape)
    by_tool, by_block = (float(np.abs(each - weights.numpy()).max()) for each in (returned, stored))
    print(f"6 x {columns}: largest error of dequantize_4bit {by_tool:.3f}, of the codes block by block {by_block:.3f}")
    changed |= (by_tool > by_block + 1e-6) != (columns % 64 != 0)
raise SystemExit(changed)
PYTHON
"$folder/venv/bin/python" "$folder/try.py"
