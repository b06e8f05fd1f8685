"""The packaged atlas: real models as the Hub lists them, tiny models with weights, and the questions of the demo."""

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
    """One question of the demo, and the shipped query that answers it.

    Attributes:
        text: The question.
        query: Name of the query.
        parameters: Its parameters, as typed on the command line.
    """

    text: str
    query: str
    parameters: dict[str, str]


QUESTIONS = (
    Question("Which models were built on most?", "top_parents", {"limit": "5"}),
    Question("What does this merge come from?", "ancestors", {"model": "mlabonne/NeuralBeagle14-7B"}),
    Question("Which parents do weights show that no author declared?", "undeclared", {}),
    Question("Which declared parent do weights contradict?", "contradicted", {}),
    Question("Whose licences are violated most?", "violated_licenses", {"limit": "5"}),
    Question("Which task fits models that declare none?", "predictions", {"attribute": "pipeline_tag", "limit": "5"}),
)


class NextStep(NamedTuple):
    """A command to try after the demo.

    Attributes:
        text: What it does.
        words: The words after `atlas-db`, without the store.
        on_store: True where it works on the demo's store.
        extra: Extra that it needs; empty for none.
    """

    text: str
    words: tuple[str, ...]
    on_store: bool = True
    extra: str = ""


NEXT_STEPS = (
    NextStep("This atlas in the browser", ("dashboard",), extra="dashboard"),
    NextStep("Ancestors and descendants of a model", ("lineage", "mistralai/Mistral-7B-v0.1")),
    NextStep("Licences that a model inherits", ("audit", "mlabonne/NeuralBeagle14-7B")),
    NextStep("All shipped queries", ("query",), on_store=False),
    NextStep(
        "The same for your own list",
        ("run", "--hub", "models.jsonl.zst", "--out", "atlas/", "--store", "local"),
        on_store=False,
    ),
)


def sample() -> Path:
    """Return the folder of the sample, with models.jsonl, datasets.jsonl, tiny.jsonl, weights/, predictions.jsonl."""
    return Path(str(files("atlas_db").joinpath("sample")))


def sample_files() -> list[str]:
    """Return the paths of the packaged lists."""
    return [str(sample() / name) for name in ("models.jsonl", "datasets.jsonl", "tiny.jsonl")]


def demo_options(home: Path) -> PipelineOptions:
    """Return the options of the demo: all packaged files, with results in a folder of the home folder."""
    return PipelineOptions(
        hub=tuple(sample_files()),
        out=home / FOLDER,
        weights=(sample() / "weights",),
        as_of=AS_OF,
        pages=PAGES,
        predictions=sample() / "predictions.jsonl",
    )
