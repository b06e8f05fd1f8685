"""Where several models come from: read them, chart them with the known ones, and answer for each."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from atlas_db.core.files import printable
from atlas_db.core.terms import Progress
from atlas_db.provenance.origin_answer import (
    OriginAnswer,
    OriginCharts,
    OriginVerdict,
    Reading,
    answer_origin,
    chart_with_known,
)
from ingest.weights.fingerprints.batch import fingerprint_all
from ingest.weights.fingerprints.fingerprint import Fingerprint
from ingest.weights.fingerprints.model_files import ModelFiles
from ingest.weights.fingerprints.parquet import read_fingerprints
from ingest.weights.samples.resample import Resampler


class AnsweredModels(NamedTuple):
    """Answers for models, and what they rest on.

    Attributes:
        answers: An answer for each model that could be read.
        not_read: An answer for each that could not, with the reason.
        queried: Fingerprints of the models that could be read.
        charts: The charts of these with the known models.
    """

    answers: list[OriginAnswer]
    not_read: list[OriginAnswer]
    queried: list[Fingerprint]
    charts: OriginCharts


def read_models(
    models: Sequence[ModelFiles], progress: Progress = lambda *_: None
) -> tuple[list[Fingerprint], dict[str, str]]:
    """Return fingerprints of models, and reasons by id of those that cannot be read. Nothing is kept on disk."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "queried.parquet"
        report = fingerprint_all(models, out, progress)
        return list(read_fingerprints([out])), report.failed


def answer_models(
    models: Sequence[ModelFiles],
    known: Sequence[Fingerprint],
    *,
    time: bool = True,
    refine: bool = True,
    progress: Progress = lambda *_: None,
) -> AnsweredModels:
    """Answer where models come from.

    Args:
        models: The models.
        known: Fingerprints of models among which parents are looked for.
        time: True to use dates as evidence.
        refine: True to read the weights again where they can be read.
        progress: Called with stages of reading and charting.
    """
    queried, failed = read_models(models, progress)
    charts = chart_with_known(queried, known, Resampler() if refine else None, time=time, progress=progress)
    new = {item.id for item in queried}
    every = [item for item in known if item.id not in new] + queried
    answers = [answer_origin(item, every, charts) for item in queried]
    not_read = [
        OriginAnswer(
            item.id,
            OriginVerdict.NOT_READ,
            (f"{item.id} could not be read: {failed[item.id].rstrip('.')}.",),
            read=Reading(printable(item.folder), problems=(failed[item.id],)),
        )
        for item in models
        if item.id in failed
    ]
    return AnsweredModels(answers, not_read, queried, charts)
