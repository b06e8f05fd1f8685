#!/usr/bin/env bash
# llama.cpp's converter of LoRA adapters drops two settings of peft 0.21.2 without a word.
# Its own code then scales every update by alpha / rank, so the adapter acts with another strength than in training.
# rsLoRA (`use_rslora`) is written as LoRA: at rank 64 an eighth of the strength is left.
# Of `alpha_pattern`, only the general alpha is written.
# It ends with an error for DoRA and `lora_bias`. Different ranks of modules come through right.
# Converter and code as llama-cpp-python 0.3.36 brings them. Read with gguf 0.19.0.
# Installs pinned packages into a temporary folder, and unpacks one sdist of 70 MB there; nothing is compiled.
# Exits 0 while this is so, 1 once it changes.
set -euo pipefail
source "$(dirname "$0")/support/packages.sh" peft==0.21.2 transformers==5.24.0 torch==2.13.0 gguf==0.19.0 \
  pip==26.3 scikit-build-core==1.1.2
python=$folder/venv/bin/python
"$python" -m pip download --quiet --disable-pip-version-check --no-deps --no-build-isolation \
  --no-binary llama-cpp-python --dest "$folder" llama-cpp-python==0.3.36
mkdir "$folder/llama"
tar xzf "$folder"/llama_cpp_python-*.tar.gz -C "$folder/llama" --strip-components=3 --wildcards \
  '*/vendor/llama.cpp/convert_lora_to_gguf.py' '*/vendor/llama.cpp/conversion/*' '*/vendor/llama.cpp/gguf-py/*' \
  '*/vendor/llama.cpp/src/llama-adapter.h'
cat > "$folder/convert.py" <<'PYTHON'
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import torch
from gguf import GGUFReader
from peft import LoraConfig, get_peft_model
from transformers import LlamaConfig, LlamaForCausalLM

folder = Path(sys.argv[1])
sides = dict(hidden_size=128, intermediate_size=256, num_hidden_layers=2, num_attention_heads=4, vocab_size=256)
LlamaForCausalLM(LlamaConfig(**sides)).save_pretrained(folder / "base")

def converted(name, **settings):
    """Return the scale of the update of one matrix in peft and in llama.cpp, and whether there was a warning."""
    model = LlamaForCausalLM(LlamaConfig(**sides, attention_bias="lora_bias" in settings))
    settings = {"r": 64, "lora_alpha": 16, "target_modules": ["v_proj"], "task_type": "CAUSAL_LM"} | settings
    model = get_peft_model(model, LoraConfig(**settings))
    for value in model.parameters():
        value.data += torch.randn_like(value) * .01
    model.save_pretrained(folder / name)
    scale = model.base_model.model.model.layers[0].self_attn.v_proj.scaling["default"]
    run = subprocess.run(
        [sys.executable, folder / "llama/convert_lora_to_gguf.py", "--base", folder / "base",
         "--outfile", folder / f"{name}.gguf", folder / name],
        capture_output=True, text=True,
    )
    if run.returncode:
        return "refused"
    file = GGUFReader(folder / f"{name}.gguf")
    factor = next(each for each in file.tensors if each.name == "blk.0.attn_v.weight.lora_b")
    alpha = float(file.get_field("adapter.lora.alpha").contents())
    warned = any(word in run.stderr.lower() for word in ("warning:lora", "use_rslora", "alpha_pattern"))
    return scale, alpha / int(factor.shape[0]), warned

code = (folder / "llama/src/llama-adapter.h").read_text()
rule = next(line.strip() for line in code.splitlines() if "alpha / rank" in line)
print("llama-cpp-python 0.3.36, peft", version("peft"), "gguf", version("gguf"))
print("llama.cpp:", rule)
found = {
    "plain": converted("plain"),
    "other rank": converted("ranks", rank_pattern={"v_proj": 32}),
    "rsLoRA": converted("rslora", use_rslora=True),
    "alpha_pattern": converted("alphas", alpha_pattern={"v_proj": 64}),
    "lora_bias": converted("offsets", lora_bias=True),
    "DoRA": converted("dora", use_dora=True),
}
for name, seen in found.items():
    print(f"{name}:", seen if seen == "refused" else
          f"scale in peft {seen[0]}, in the file {seen[1]}, {'a warning' if seen[2] else 'no warning'}")
expected = {
    "plain": (.25, .25, False), "other rank": (.5, .5, False), "rsLoRA": (2.0, .25, False),
    "alpha_pattern": (1.0, .25, False),
    "lora_bias": "refused", "DoRA": "refused",
}
as_described = found == expected and "adapter_scale * alpha / rank" in rule
print("as described" if as_described else "CHANGED")
raise SystemExit(not as_described)
PYTHON
"$python" "$folder/convert.py" "$folder" 2> "$folder/log" || { code=$?; tail -5 "$folder/log"; exit $code; }
