"""A made-up hub whose licences, tasks and names follow rules, so that there is something to learn."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta
from typing import Any

from tests.support.graphs import child, model

LICENCES = ("apache-2.0", "mit", "llama2", "cc-by-nc-4.0")
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
                tags=[f"license:{LICENCES[kind % 4]}", "transformers"],
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
            licence = LICENCES[kind % 4] if rng.random() < 0.93 else rng.choice(LICENCES)
            tags.append(f"license:{licence}")
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
