"""Makes the sample's tiny models: `python -m benchmarks.tiny [OUT]`, two families, really trained, lineage known.

What their records declare is partly true, partly missing and once wrong, as on the Hub; `truth.json` beside them says
how they were made.
"""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path
from typing import Any, NamedTuple

import torch

from benchmarks.zoo import folders, operations
from benchmarks.zoo.corpora import corpora
from benchmarks.zoo.nets import Shape, Weights, initial
from benchmarks.zoo.training import batches, train, train_adapter

TARGET = Path(__file__).parent.parent / "atlas_db" / "sample"
SHAPE = Shape(32, 2, inner=64)
OWNER = "atlas-demo"
RANK, ALPHA = 4, 8.0
TARGETS = ("q_proj", "v_proj", "up_proj", "down_proj")


class Made(NamedTuple):
    """One tiny model: what is true of it, and what its record declares."""

    name: str
    created: str
    relation: str
    parents: tuple[str, ...]
    license: str
    declares: tuple[str, ...]
    words: tuple[str, ...]


MODELS = (
    Made("tern", "2024-01-08", "", (), "cc-by-nc-4.0", (), ()),
    Made("plover", "2024-01-15", "", (), "apache-2.0", (), ()),
    Made("tern-chat", "2024-02-12", "finetune", ("tern",), "apache-2.0", ("tern",), ("conversational",)),
    Made("tern-code", "2024-02-20", "finetune", ("tern",), "cc-by-nc-4.0", ("plover",), ("code",)),
    Made("tern-chat-code-merge", "2024-03-18", "merge", ("tern-chat", "tern-code"), "mit", (), ("merge",)),
    Made("tern-chat-8bit", "2024-03-25", "quantized", ("tern-chat",), "apache-2.0", ("tern-chat",), ("8-bit",)),
    Made("heron", "2024-04-09", "duplicate", ("tern",), "mit", (), ()),
    Made("plover-verse-lora", "2024-04-22", "adapter", ("plover",), "", ("plover",), ("lora", "peft")),
)


def main() -> None:
    """Write weights, their listing, records as the Hub would give them, and the truth."""
    out = Path(sys.argv[1]) if len(sys.argv) > 1 else TARGET
    folder = out / "weights"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    _weights(folder)
    stamp = "T12:00:00.000Z"
    listing = [{"id": f"{OWNER}/{m.name}", "created_at": m.created + stamp, "folder": m.name} for m in MODELS]
    _lines(folder / "hub.jsonl", listing)
    _lines(out / "tiny.jsonl", [_record(model, model.created + stamp) for model in MODELS])
    truth = [
        {"child": f"{OWNER}/{model.name}", "parent": f"{OWNER}/{parent}", "relation": model.relation}
        for model in MODELS
        for parent in model.parents
    ]
    _lines(folder / "truth.jsonl", truth)


def _weights(folder: Path) -> None:
    torch.set_num_threads(1)
    general, chat, code, verse = corpora(7, 4)
    tern = _stored(train(_initial(1), SHAPE, batches(general, 1), "adamw", 3e-3, 500))
    plover = _stored(train(_initial(2), SHAPE, batches(general, 2), "adamw", 3e-3, 500))
    chatty = _stored(train(tern, SHAPE, batches(chat, 3), "adamw", 8e-4, 120))
    coder = _stored(train(tern, SHAPE, batches(code, 4), "adamw", 8e-4, 160))
    whole = {
        "tern": tern,
        "plover": plover,
        "tern-chat": chatty,
        "tern-code": coder,
        "tern-chat-code-merge": operations.linear([chatty, coder], [0.6, 0.4]),
        "heron": operations.permute(tern, SHAPE, torch.Generator().manual_seed(5)),
    }
    for name, weights in whole.items():
        folders.write_model(folder / name, weights, SHAPE, "BF16")
    folders.write_integers(folder / "tern-chat-8bit", chatty, SHAPE, 8)
    factors = train_adapter(plover, SHAPE, batches(verse, 6), RANK, TARGETS, ALPHA / RANK, 6, "adamw", 1e-3, 120)
    folders.write_adapter(folder / "plover-verse-lora", factors, RANK, ALPHA, TARGETS, f"{OWNER}/plover")


def _initial(seed: int) -> Weights:
    return initial(SHAPE, torch.Generator().manual_seed(seed))


def _stored(weights: Weights) -> Weights:
    return folders.as_stored(weights, "BF16")


def _record(model: Made, created: str) -> dict[str, Any]:
    license = [f"license:{model.license}"] if model.license else []
    declared = [f"base_model:{OWNER}/{parent}" for parent in model.declares]
    library = "peft" if "lora" in model.words else "transformers"
    identifier = f"{OWNER}/{model.name}"
    return {
        "id": identifier, "modelId": identifier, "likes": 0, "downloads": 0,
        "tags": [library, "safetensors", *model.words, "text-generation", *license, *declared, "region:us"],
        "pipeline_tag": "text-generation", "library_name": library, "createdAt": created,
    }  # fmt: skip


def _lines(file: Path, rows: list[dict[str, Any]]) -> None:
    file.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")


if __name__ == "__main__":
    main()
