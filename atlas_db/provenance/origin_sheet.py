"""The sheet of a report: one HTML file without scripts, to print and to file, and one record a model."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from hashlib import blake2b
from importlib.metadata import version
from pathlib import Path
from re import sub
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from atlas_db.core.extras import DISTRIBUTION
from atlas_db.core.files import write_whole
from atlas_db.core.terms import SOFTWARE
from atlas_db.fusion.evidence_text import TERMS, rate_text, terms_in
from atlas_db.provenance.origin_answer import OriginAnswer
from atlas_db.provenance.origin_record import OriginRecord, encode_record
from ingest.weights.fingerprints.fingerprint import VERSION as FINGERPRINT_VERSION

SHEET = "origin.html"
RECORDS = "records"
_ALWAYS = ("common origin", "confidence", "distance", "false-alarm rate", "fingerprint", "position", "tensor")
"""Terms that every sheet uses."""


def record_name(model: str) -> str:
    """Return the file name of a model's record: letters of its id, and a digest that makes it unique."""
    digest = blake2b(model.encode("utf-8", errors="replace"), digest_size=6).hexdigest()
    return f"{sub('[^A-Za-z0-9_-]+', '-', model)[:80].strip('-')}-{digest}.json"


def write_report(
    folder: Path, answers: Sequence[OriginAnswer], records: Sequence[OriginRecord], compared_with: Sequence[str]
) -> list[Path]:
    """Write the sheet and the records of answers.

    Args:
        folder: Folder; it is made where it is missing.
        answers: The answers.
        records: Their records; a model that could not be read has none.
        compared_with: Where the known models came from.

    Returns:
        The files, the sheet first.

    Raises:
        OSError: A file cannot be written.
    """
    (folder / RECORDS).mkdir(parents=True, exist_ok=True)
    written = [folder / SHEET]
    for record in records:
        written.append(folder / RECORDS / record_name(record.model))
        write_whole(written[-1], encode_record(record))
    write_whole(folder / SHEET, render_sheet(answers, records, compared_with).encode())
    return written


def render_sheet(answers: Sequence[OriginAnswer], records: Sequence[OriginRecord], compared_with: Sequence[str]) -> str:
    """Return the sheet as HTML; every value is escaped.

    Args:
        answers: The answers.
        records: Their records.
        compared_with: Where the known models came from.
    """
    texts = [text for answer in answers for text in answer.text]
    texts += [text for answer in answers for parent in answer.parents for text in parent.sentences]
    page: dict[str, Any] = {
        "answers": answers,
        "records": {record.model: record for record in records},
        "files": {record.model: f"{RECORDS}/{record_name(record.model)}" for record in records},
        "terms": {term: TERMS[term] for term in sorted({*_ALWAYS, *terms_in(texts)})},
        "compared_with": compared_with,
        "made": f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC",
        "software": f"{SOFTWARE} {version(DISTRIBUTION)}",
        "fingerprint": FINGERPRINT_VERSION,
    }
    env = Environment(
        loader=PackageLoader("atlas_db.provenance"), autoescape=True, undefined=StrictUndefined, trim_blocks=True,
        lstrip_blocks=True,
    )  # fmt: skip
    env.filters["rate"] = rate_text
    return env.get_template("sheet.html").render(page)
