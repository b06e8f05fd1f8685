#!/usr/bin/env bash
# mergekit 0.1.5 merges two ViTs of transformers 5.23.0 without an error, and writes a model without its blocks.
# It has no file for this architecture and takes the names of tensors from the model in memory (vit.layers.N…).
# The files keep the older names (vit.encoder.layer.N…), so of two ViTs of 40 tensors 8 are merged and 32 are left out.
# transformers then reads the merge and fills every block with random numbers; it says so in a warning.
# Installs three pinned packages into a temporary folder. Exits 0 while this is so, 1 once it changes.
set -euo pipefail
source "$(dirname "$0")/support/packages.sh" mergekit==0.1.5 transformers==5.23.0 torch==2.13.0
cat > "$folder/merge.py" <<'PYTHON'
import sys
from importlib.metadata import version
from pathlib import Path

import torch
import transformers
from mergekit.config import MergeConfiguration
from mergekit.merge import run_merge
from mergekit.options import MergeOptions
from safetensors import safe_open

transformers.logging.set_verbosity_error()
transformers.logging.disable_progress_bar()
folder = Path(sys.argv[1])
config = transformers.ViTConfig(hidden_size=32, num_hidden_layers=2, num_attention_heads=2, intermediate_size=64,
                                image_size=16, patch_size=4, num_labels=4)
for name in ("first", "second"):
    torch.manual_seed(len(name))
    transformers.ViTForImageClassification(config).save_pretrained(folder / name)
models = [{"model": str(folder / name), "parameters": {"weight": 0.5}} for name in ("first", "second")]
recipe = {"merge_method": "linear", "models": models, "dtype": "float32"}
run_merge(MergeConfiguration.model_validate(recipe), str(folder / "merge"), MergeOptions(quiet=True, copy_tokenizer=False))

def names(model):
    (file,) = (folder / model).glob("*.safetensors")
    return set(safe_open(file, "pt").keys())

parent, merge = names("first"), names("merge")
_, info = transformers.ViTForImageClassification.from_pretrained(folder / "merge", output_loading_info=True)
print("mergekit", version("mergekit"), "transformers", version("transformers"))
print(f"tensors of a parent: {len(parent)}; of the merge: {len(merge)}; of its blocks: "
      f"{sum('layer' in name and 'layernorm' not in name for name in merge)}")
print(f"new random tensors when it is read: {len(info['missing_keys'])}")
left_out = {name for name in parent if ".layer." in name}
changed = bool(left_out & merge) or merge != parent - left_out or len(info["missing_keys"]) != len(left_out)
print("CHANGED" if changed else "as described")
raise SystemExit(int(changed))
PYTHON
"$folder/venv/bin/python" "$folder/merge.py" "$folder"
