"""The packaged sample: its files are there, the demo takes all of them, and its questions are shipped queries."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from atlas_db.pipeline.sample import NEXT_STEPS, QUESTIONS, Question, demo_options, sample, sample_files
from cypher import query_library


def test_the_demo_takes_everything_that_is_packaged(tmp_path: Path) -> None:
    options = demo_options(tmp_path)
    assert all(Path(file).is_file() for file in sample_files())
    assert options.hub == tuple(sample_files())
    assert all(folder.is_dir() for folder in options.weights)
    assert options.predictions is not None and options.predictions.is_file()
    assert options.out.parent == tmp_path


@pytest.mark.parametrize("question", QUESTIONS, ids=lambda each: each.query)
def test_questions_are_shipped_queries_with_parameters_that_they_have(question: Question) -> None:
    query = query_library.find_query(question.query)
    assert query.bind(question.parameters)


def test_models_of_the_sample_are_json_with_ids() -> None:
    rows = [json.loads(line) for line in (sample() / "models.jsonl").read_text(encoding="utf-8").splitlines()]
    ids = [row["id"] for row in rows]
    assert len(set(ids)) == len(ids) > 300
    assert "mistralai/Mistral-7B-v0.1" in ids


def test_next_steps_name_verbs() -> None:
    from atlas_db.cli.main import application

    app = application()
    verbs = {command.name for command in app.registered_commands} | {group.name for group in app.registered_groups}
    assert {step.words[0] for step in NEXT_STEPS} <= verbs
