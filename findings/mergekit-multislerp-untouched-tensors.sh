#!/usr/bin/env bash
# mergekit 0.1.5 ends a multislerp with a base where three or more models leave one tensor as the base has it.
# Merged LoRAs do so with all norms, tuned heads with all blocks. The error speaks of antipodal vectors and of weights
# that balance out; no choice of weights helps. Two such models are merged: there the sum of nothing is taken as linear.
# Without a base, three are merged, too. nuslerp, karcher, ties and della have no such end.
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

transformers.logging.set_verbosity_error()
transformers.logging.disable_progress_bar()
folder = Path(sys.argv[1])
config = transformers.LlamaConfig(hidden_size=32, num_hidden_layers=2, num_attention_heads=2, num_key_value_heads=2,
                                  intermediate_size=64, vocab_size=128)
torch.manual_seed(0)
base = transformers.LlamaForCausalLM(config)
base.save_pretrained(folder / "base")
start = {name: value.clone() for name, value in base.state_dict().items()}
for place in range(3):
    base.load_state_dict(start)
    with torch.no_grad():
        for layer in base.model.layers:
            layer.self_attn.q_proj.weight.add_(0.01 * torch.randn(32, 32))
    base.save_pretrained(folder / f"tuned{place}")

def merge(method, models, with_base, weight=None, **parameters):
    weights = weight or [1.0] * models
    recipe = {"merge_method": method, "dtype": "float32", "parameters": parameters, "models": [
        {"model": str(folder / f"tuned{place}"), "parameters": {"weight": weights[place]}} for place in range(models)]}
    if with_base:
        recipe["base_model"] = str(folder / "base")
    try:
        run_merge(MergeConfiguration.model_validate(recipe), str(folder / "merge"),
                  MergeOptions(quiet=True, copy_tokenizer=False))
    except ValueError as error:
        return str(error).split(".")[0]
    return "merged"

print("mergekit", version("mergekit"))
ends = "The weighted sum of the input tensors is zero"
wanted = [
    ("multislerp", 2, True, None, {}, "merged"), ("multislerp", 3, False, None, {}, "merged"),
    ("multislerp", 3, True, None, {}, ends), ("multislerp", 3, True, [0.7, 0.2, 0.1], {}, ends),
    ("nuslerp", 2, True, None, {}, "merged"), ("karcher", 3, False, None, {}, "merged"),
    ("ties", 3, True, None, {"density": 0.5}, "merged"), ("della", 3, True, None, {"density": 0.5}, "merged"),
]
changed = False
for method, models, with_base, weight, parameters, expected in wanted:
    found = merge(method, models, with_base, weight, **parameters)
    print(f"{method}, {models} models, {'a' if with_base else 'no'} base, weights {weight or 'equal'}: {found}")
    changed |= found != expected
print("CHANGED" if changed else "as described")
raise SystemExit(int(changed))
PYTHON
"$folder/venv/bin/python" "$folder/merge.py" "$folder" 2>&1
