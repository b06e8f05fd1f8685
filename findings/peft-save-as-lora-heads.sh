#!/usr/bin/env bash
# peft 0.21.2 turns adapters of other kinds into LoRA by `save_as_lora`, and loses trained heads on the way.
# A head of two layers (RoBERTa's classifier) is saved under one name: of two matrices one is left.
# The file that it wrote then ends `PeftModel.from_pretrained` with a KeyError.
# Where a model has two adapters with a head each, both files hold the head of the last one, without an error.
# `save_pretrained` of the same models keeps all. The updates themselves are converted well.
# Seen with transformers 5.24.0, torch 2.13.0.
# Installs three pinned packages into a temporary folder. Exits 0 while this is so, 1 once it changes.
set -euo pipefail
source "$(dirname "$0")/support/packages.sh" peft==0.21.2 transformers==5.24.0 torch==2.13.0
cat > "$folder/convert.py" <<'PYTHON'
import sys
from importlib.metadata import version
from pathlib import Path

import torch
from peft import LoKrConfig, PeftModel, get_peft_model, save_as_lora
from safetensors.torch import load_file
from transformers import BertConfig, BertForSequenceClassification, RobertaConfig, RobertaForSequenceClassification

folder = Path(sys.argv[1])
sides = dict(hidden_size=64, intermediate_size=128, num_hidden_layers=2, num_attention_heads=4, vocab_size=128,
             max_position_embeddings=64, num_labels=3)
words = torch.arange(12)[None]

def base(kind, config):
    torch.manual_seed(0)
    return kind(config(**sides)).eval()

def adapted(kind, config, adapters):
    model = base(kind, config)
    settings = [LoKrConfig(r=4, target_modules=["query", "value"], modules_to_save=["classifier"], task_type="SEQ_CLS")
                for _ in adapters]
    model = get_peft_model(model, settings[0], adapter_name=adapters[0])
    for name, setting in list(zip(adapters, settings))[1:]:
        model.add_adapter(name, setting)
    torch.manual_seed(1)
    for name, value in model.named_parameters():
        if "lokr_" in name or ".modules_to_save." in name:
            value.data += torch.randn_like(value) * .1
    return model.eval()

def outputs(model):
    with torch.no_grad():
        return model(input_ids=words).logits

def heads(file):
    return {name: value for name, value in load_file(file).items() if "classifier" in name}

def reloaded(kind, config, place, wanted):
    try:
        found = outputs(PeftModel.from_pretrained(base(kind, config), place).eval())
    except Exception as error:
        return type(error).__name__
    return "as before" if torch.allclose(found, wanted, atol=1e-4) else "other outputs"

print("peft", version("peft"), "transformers", version("transformers"))
roberta = RobertaForSequenceClassification, RobertaConfig
model = adapted(*roberta, ["default"])
model.save_pretrained(folder / "own")
save_as_lora(folder / "lora", model, rank=64)
kept = {way: len(heads(folder / way / "adapter_model.safetensors")) for way in ("own", "lora")}
back = {way: reloaded(*roberta, folder / way, outputs(model)) for way in ("own", "lora")}
for way, words_for in (("own", "save_pretrained"), ("lora", "save_as_lora")):
    print(f"RoBERTa, {words_for}: {kept[way]} tensors of the head, read back: {back[way]}")

bert = BertForSequenceClassification, BertConfig
model = adapted(*bert, ["first", "second"])
seen = {}
for name in ("first", "second"):
    model.set_adapter(name)
    save_as_lora(folder / name, model, rank=64, adapter_name=name)
    stored = heads(folder / name / "adapter_model.safetensors")["base_model.model.classifier.weight"]
    own = {each: value.weight for each, value in model.base_model.model.classifier.modules_to_save.items()}
    seen[name] = [each for each in own if torch.equal(own[each], stored)], reloaded(*bert, folder / name, outputs(model))
    print(f"BERT, adapter {name}: head of {seen[name][0]}, read back: {seen[name][1]}")

as_described = (
    kept == {"own": 4, "lora": 2} and back == {"own": "as before", "lora": "KeyError"}
    and seen == {"first": (["second"], "other outputs"), "second": (["second"], "as before")}
)
print("as described" if as_described else "CHANGED")
raise SystemExit(not as_described)
PYTHON
"$folder/venv/bin/python" "$folder/convert.py" "$folder" 2> "$folder/log" || { code=$?; tail -5 "$folder/log"; exit $code; }
