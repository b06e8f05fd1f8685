"""A made-up hub whose licences, tasks and names follow rules, so that there is something to learn."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta
from typing import Any

from tests.support.graphs import child, model

LICENSES = ("apache-2.0", "mit", "llama2", "cc-by-nc-4.0")
TASKS = ("text-generation", "text-classification", "fill-mask", "image-classification")
DATASETS = ("squad", "imdb", "glue", "c4")
START = datetime(2023, 6, 1, tzinfo=UTC)


def made_up(children: int = 900, seed: int = 1) -> list[dict[str, Any]]:
    """Return list rows: eight base models of four kinds, and children that mostly declare what their parent does."""
    rng = random.Random(seed)
    rows = []
    for kind in range(8):
        rows.append(
            model(
                f"org{kind}/base{kind}-7b",
                tags=[f"license:{LICENSES[kind % 4]}", "transformers"],
                pipeline_tag=TASKS[kind % 4],
                library_name="transformers",
                createdAt="2023-05-01T00:00:00.000Z",
            )
        )
    for place in range(children):
        kind = rng.randrange(8)
        author = f"user{rng.randrange(60)}"
        date = START + timedelta(days=300 * place / children)
        name = f"{author}/base{kind}-7b-{rng.choice(('chat', 'sql', 'poems'))}-v{place}"
        tags, fields = [], {}
        if rng.random() < 0.7:
            license_id = LICENSES[kind % 4] if rng.random() < 0.93 else rng.choice(LICENSES)
            tags.append(f"license:{license_id}")
        if rng.random() < 0.7:
            fields["pipeline_tag"] = TASKS[kind % 4]
        if rng.random() < 0.6:
            fields["library_name"] = "peft" if kind % 2 else "transformers"
        if rng.random() < 0.5:
            tags.append(f"dataset:{DATASETS[kind % 4]}")
        if rng.random() < 0.5:
            tags.append("en" if kind % 2 else "fr")
        maker = child if rng.random() < 0.6 else _orphan
        rows.append(
            maker(name, f"org{kind}/base{kind}-7b", tags=tags, createdAt=f"{date:%Y-%m-%dT%H:%M:%S}.000Z", **fields)
        )
    return rows


def _orphan(name: str, parent: str, **fields: Any) -> dict[str, Any]:
    return model(name, **fields)


ARCHITECTURES = ("llama", "bert", "t5", "gpt_neox")


def typed() -> list[dict[str, Any]]:
    """The made-up hub; some declare their relation, and have a config.json."""
    rows = made_up()
    for place, row in enumerate(rows):
        kind = int(row["id"].split("base")[1][0])
        if place % 5 < 3:
            row["config"] = {"model_type": ARCHITECTURES[kind % 4]}
        for at, tag in enumerate(row["tags"]):
            if tag.startswith("base_model:") and place % 3:
                relation = "adapter" if kind % 2 else "finetune"
                row["tags"][at] = tag.replace("base_model:", f"base_model:{relation}:")
    return rows


FAMILY = [
    model("openai-community/gpt2", downloads=900_000, createdAt="2022-03-02T23:29:04.000Z", tags=["license:mit"]),
    child("ann/tuned", "gpt2", tags=["license:apache-2.0", "en", "dataset:squad", "arxiv:1706.03762v5"],
          pipeline_tag="text-generation", library_name="transformers"),
    child("ann/tuned-GGUF", "ann/tuned", tags=["gguf"]),
    child("ann/lora", "Ann/Tuned", library_name="peft"),
    child("ann/merged", "ann/tuned", "ann/lora", tags=["merge", "mergekit"]),
    child("ann/loop", "ann/loop"),
    child("ann/one", "ann/two", createdAt="2024-02-01T00:00:00.000Z"),
    child("ann/two", "ann/one", createdAt="2024-02-02T00:00:00.000Z"),
    child("ann/lost", "nobody/nothing"),
    child("ann/vague", "bert"),
    model("x/bert", downloads=3), model("y/bert", downloads=2),
]  # fmt: skip


BRED = [
    child(f"own{n % 40}/m{n}", f"own{(n * 7) % 40}/m{n // 3}", tags=["license:mit", "en", f"dataset:d{n % 9}"],
          pipeline_tag="fill-mask", createdAt=f"2024-01-{n % 27 + 1:02d}T00:00:00.000Z")
    for n in range(3000)
] + [model("own0/m0", downloads=9)]  # fmt: skip
