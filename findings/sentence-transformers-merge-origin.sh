#!/usr/bin/env bash
# sentence-transformers 6.2.0 merges models by `SentenceTransformer.merge`, and saves nothing that says so.
# Neither the card nor any other file names the parents, the method or mergekit.
# The card lacks the licence, the base model and the language that both parents' cards state.
# Its text says that the model was trained. `mergekit-yaml` of the same mergekit 0.1.5 writes recipe, method and parents.
# Who audits licences by cards finds such a merge without a parent and without a licence; only its weights tell.
# Installs pinned packages into a temporary folder. Exits 0 while this is so, 1 once it changes.
set -euo pipefail
source "$(dirname "$0")/support/packages.sh" sentence-transformers==6.2.0 mergekit==0.1.5 transformers==5.24.0 \
  torch==2.13.0
cat > "$folder/merge.py" <<'PYTHON'
import json
import os
import string
import sys
from importlib.metadata import version
from pathlib import Path

os.environ["HF_HUB_OFFLINE"] = "1"
import torch
from huggingface_hub import ModelCard
from sentence_transformers import SentenceTransformer
from sentence_transformers.sentence_transformer.modules import Pooling, Transformer
from transformers import BertConfig, BertModel, BertTokenizerFast

folder = Path(sys.argv[1])
words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *string.ascii_lowercase]

def parent(name, seed):
    """Save a sentence model with a card that states licence, base model and language."""
    torch.manual_seed(0)
    body = BertModel(BertConfig(hidden_size=64, intermediate_size=128, num_hidden_layers=2, num_attention_heads=4,
                                vocab_size=len(words), max_position_embeddings=64))
    torch.manual_seed(seed)
    for value in body.parameters():
        value.data += torch.randn_like(value) * .01
    body.save_pretrained(folder / "body")
    (folder / "body/vocab.txt").write_text("\n".join(words))
    BertTokenizerFast(str(folder / "body/vocab.txt")).save_pretrained(folder / "body")
    model = SentenceTransformer(modules=[Transformer(str(folder / "body")), Pooling(64)], device="cpu")
    model.save_pretrained(str(folder / name))
    card = ModelCard.load(folder / name / "README.md")
    card.data.license, card.data.base_model, card.data.language = "cc-by-nc-4.0", "acme/river", "en"
    card.save(folder / name / "README.md")
    return str(folder / name)

def said(place):
    """Return what a folder's texts say of the model's origin."""
    card = ModelCard.load(place / "README.md")
    texts = [file.read_text() for file in place.rglob("*") if file.suffix in (".json", ".md", ".yml", ".yaml", ".txt")]
    found = {word: any(word in text for text in texts) for word in ("first-parent", "second-parent", "mergekit")}
    with open(place / "model.safetensors", "rb") as file:
        header = json.loads(file.read(int.from_bytes(file.read(8), "little")))
    stated = {key: getattr(card.data, key, None) for key in ("license", "base_model", "language")}
    return stated, found, "merge" in (card.data.tags or []), header.get("__metadata__")

print("sentence-transformers", version("sentence-transformers"), "mergekit", version("mergekit"))
parents = [parent("first-parent", 1), parent("second-parent", 2)]
seen = []
for method in ("linear", "slerp", "karcher"):
    merged = SentenceTransformer.merge(parents, method=method)
    merged.save_pretrained(str(folder / method))
    seen.append(said(folder / method))
    print(f"{method}: card {seen[-1][0]}, named in any file {seen[-1][1]}, tag merge {seen[-1][2]}, header {seen[-1][3]}")
own = said(Path(parents[0]))[0]
print("a parent's card:", own)
nothing = {"license": None, "base_model": None, "language": None}
as_described = all(own.values()) and all(
    stated == nothing and not any(found.values()) and not tagged and header == {"format": "pt"}
    for stated, found, tagged, header in seen
)
print("as described" if as_described else "CHANGED")
raise SystemExit(not as_described)
PYTHON
"$folder/venv/bin/python" "$folder/merge.py" "$folder" 2> "$folder/log" || { code=$?; tail -5 "$folder/log"; exit $code; }
