"""The packaged atlas: real models as the Hub lists them, tiny models with weights, and the questions the demo asks."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path
from typing import NamedTuple

from atlas_db.pipeline.stages import PipelineOptions

AS_OF = "2024-05-31"
"""Date of the newest model in the sample's source."""
FOLDER = "demo"
"""Folder of the demo's results in the home folder."""
PAGES = 40


class Question(NamedTuple):
    """One question of the demo: what it asks in words, the shipped query, its parameters."""

    text: str
    query: str
    parameters: dict[str, str]


QUESTIONS = (
    Question("Which models were built on most?", "top_parents", {"limit": "5"}),
    Question("What does this merge come from?", "ancestors", {"model": "mlabonne/NeuralBeagle14-7B"}),
    Question("What do weights tell that nobody declared?", "undeclared", {}),
    Question("Which declared parent do they contradict?", "contradicted", {}),
    Question("Whose terms are broken most?", "violated_licenses", {"limit": "5"}),
    Question(
        "What would models declare that declare no task?", "predictions", {"attribute": "pipeline_tag", "limit": "5"}
    ),
)
NEXT_STEPS = (
    "export ATLAS_DB_STORE=demo           # from here on, ask this atlas",
    "atlas-db dashboard",
    "atlas-db lineage mistralai/Mistral-7B-v0.1",
    "atlas-db audit mlabonne/NeuralBeagle14-7B",
    "atlas-db query                       # all shipped questions",
    "atlas-db run --hub models.jsonl.zst --out atlas/ --store local   # your own list",
)


def sample() -> Path:
    """Return the folder of the sample: models.jsonl, datasets.jsonl, tiny.jsonl, weights/, predictions.jsonl."""
    return Path(str(files("atlas_db").joinpath("sample")))


def sample_files() -> list[str]:
    """Return the paths of the packaged lists."""
    return [str(sample() / name) for name in ("models.jsonl", "datasets.jsonl", "tiny.jsonl")]


def demo_options(home: Path) -> PipelineOptions:
    """Return what the demo runs: everything that is packaged, into a folder of the home folder."""
    return PipelineOptions(
        hub=tuple(sample_files()),
        out=home / FOLDER,
        weights=(sample() / "weights",),
        as_of=AS_OF,
        pages=PAGES,
        predictions=sample() / "predictions.jsonl",
    )
