"""Models of transformers on disk."""

from __future__ import annotations

import copy
import json
from pathlib import Path

import pytest

from tests.support.networks import llama, rewritten


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    import torch

    folder = tmp_path_factory.mktemp("models")
    base = llama(1)
    tuned = copy.deepcopy(base)
    torch.manual_seed(5)
    for weights in tuned.parameters():
        weights.data += 0.05 * weights.data.std() * torch.randn_like(weights) if weights.dim() > 1 else 0
    grown = copy.deepcopy(base)
    grown.resize_token_embeddings(310)
    made = {"base": base, "copy": rewritten(base), "tuned": tuned, "other": llama(2)}
    for name, model in made.items():
        model.save_pretrained(folder / name)
    dates = {"base": "2024-01-01", "copy": "2024-03-01", "tuned": "2024-02-01", "other": "2024-01-15"}
    lines = [json.dumps({"id": f"a/{name}", "created_at": f"{dates[name]}T00:00:00Z", "folder": name}) for name in made]
    (folder / "hub.jsonl").write_text("\n".join(lines))
    return folder
