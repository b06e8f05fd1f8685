"""Makes the packaged sample out of a real Hub list: `python benchmarks/sample.py models.jsonl.zst datasets.jsonl.zst`.

Takes facts only: ids, tags, counts and dates of a few hundred models around well-known roots, and of their ancestors.
Every kind of dirt is in it once or twice.
"""

from __future__ import annotations

import io
import json
import sys
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import zstandard

ROOTS = {
    "mistralai/Mistral-7B-v0.1": 60,
    "meta-llama/Meta-Llama-3-8B": 50,
    "openai-community/gpt2": 40,
    "google-bert/bert-base-uncased": 40,
    "distilbert/distilbert-base-uncased": 30,
    "openai/whisper-small": 25,
    "stabilityai/stable-diffusion-xl-base-1.0": 30,
    "google/gemma-7b": 25,
    "bigcode/starcoder2-3b": 15,
    "FacebookAI/xlm-roberta-base": 20,
}
ODD = (
    "quastrinos/race-openbook-finetuned-deberta-v3-large-mcqa-TPU-v1",
    "quastrinos/race-openbook-finetuned-deberta-v3-large-mcqa-TPU-v2",
    "weiren119/distilhubert-finetuned-finetuned-gtzan",
    "weiren119/distilhubert-finetuned-gtzan",
    "ai-forever/rugpt3small_based_on_gpt2",
    "tohoku-nlp/bert-base-japanese-v3",
)
SHORT = {
    "distilbert-base-uncased": "distilbert/distilbert-base-uncased",
    "gpt2": "openai-community/gpt2",
    "bert-base-uncased": "google-bert/bert-base-uncased",
    "xlm-roberta-base": "FacebookAI/xlm-roberta-base",
}
FIELDS = ("id", "modelId", "likes", "downloads", "tags", "pipeline_tag", "library_name", "createdAt")
TARGET = Path(__file__).parent.parent / "atlas_db" / "sample"


def rows(path: str) -> Iterator[dict[str, Any]]:
    """Yield the rows of a zstandard JSON-lines file."""
    with Path(path).open("rb") as handle, zstandard.ZstdDecompressor().stream_reader(handle) as plain:
        for line in io.TextIOWrapper(plain, encoding="utf-8"):
            yield json.loads(line)


def parents(row: dict[str, Any]) -> list[str]:
    """Return a row's parents, short names looked up."""
    names = [tag.removeprefix("base_model:") for tag in row["tags"] if tag.startswith("base_model:")]
    return [SHORT.get(name, name) for name in names]


def choose(models: dict[str, dict[str, Any]]) -> set[str]:
    """Choose the sample's models."""
    children: dict[str, list[str]] = defaultdict(list)
    for identifier, row in models.items():
        for parent in parents(row):
            children[parent].append(identifier)
    chosen: set[str] = set(ODD) & models.keys()
    for root, most in ROOTS.items():
        found, frontier = {root}, [root]
        while frontier and len(found) < most:
            nearest = sorted({c for p in frontier for c in children[p]} - found, key=lambda c: -models[c]["downloads"])
            frontier = nearest[: max(8, most // 3)]
            found.update(frontier[: most - len(found)])
        chosen |= found & models.keys()
    for identifier, row in models.items():
        loop = identifier in parents(row)
        if loop and row["downloads"] > 1500:
            chosen.add(identifier)
    queue = list(chosen)
    while queue:
        for parent in parents(models[queue.pop()]):
            if parent in models and parent not in chosen:
                chosen.add(parent)
                queue.append(parent)
    return chosen


def main() -> None:
    """Write models.jsonl and datasets.jsonl."""
    models = {row["id"]: row for row in rows(sys.argv[1])}
    chosen = choose(models)
    named = {tag[8:] for identifier in chosen for tag in models[identifier]["tags"] if tag.startswith("dataset:")}
    TARGET.mkdir(exist_ok=True)
    with (TARGET / "models.jsonl").open("w", encoding="utf-8") as out:
        for identifier in sorted(chosen):
            kept = {name: models[identifier][name] for name in FIELDS if name in models[identifier]}
            out.write(json.dumps(kept, ensure_ascii=False) + "\n")
    with (TARGET / "datasets.jsonl").open("w", encoding="utf-8") as out:
        for row in rows(sys.argv[2]):
            if row["id"] in named:
                tags = [tag for tag in row["tags"] if tag.startswith(("license:", "task_categories:", "language:"))]
                kept = {name: row[name] for name in ("id", "author", "likes", "downloads", "createdAt", "lastModified")}
                out.write(json.dumps({**kept, "tags": tags, "key": ""}, ensure_ascii=False) + "\n")
    sys.stdout.write(f"{len(chosen)} models\n")


if __name__ == "__main__":
    main()
