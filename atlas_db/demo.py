"""The packaged atlas and the five questions that the demo asks of it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from importlib.resources import as_file, files
from pathlib import Path
from typing import NamedTuple

AS_OF = "2024-05-31"
"""Date of the newest model in the sample's source."""


class Question(NamedTuple):
    """One question of the demo: what it asks in words, the shipped query, its parameters."""

    words: str
    query: str
    parameters: dict[str, str]


QUESTIONS = (
    Question("Which models were built on most?", "top_parents", {"limit": "5"}),
    Question("What does this merge come from?", "ancestors", {"model": "mlabonne/NeuralBeagle14-7B"}),
    Question("How was the work on Mistral 7B done?", "by_relation", {"model": "mistralai/Mistral-7B-v0.1"}),
    Question("Which licences changed between parent and child?", "license_changes", {"limit": "5"}),
    Question("What became of the names people gave as parents?", "outcomes", {}),
)
NEXT = (
    "atlas-db lineage mistralai/Mistral-7B-v0.1",
    "atlas-db query path --param model=mlabonne/NeuralBeagle14-7B --param ancestor=mlabonne/Marcoro14-7B-slerp",
    "atlas-db query                       # all shipped questions",
    "atlas-db fetch snapshots/today --preview",
    "atlas-db load models.jsonl.zst       # your own list",
)


@contextmanager
def sample_files() -> Iterator[list[str]]:
    """Yield the paths of the packaged lists."""
    with as_file(files("atlas_db").joinpath("sample")) as folder:
        yield [str(Path(folder) / name) for name in ("models.jsonl", "datasets.jsonl")]
