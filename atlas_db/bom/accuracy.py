"""How far a bill of materials can be relied on: each field by how it is known, not only whether it is filled."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from enum import StrEnum
from typing import Any, NamedTuple

from atlas_db.bom.collect import BomContents, BomEntry
from atlas_db.core.terms import LicenseState, Source, Status


class FieldState(StrEnum):
    """How a field is known."""

    VERIFIED = "verified"
    DECLARED = "declared"
    INFERRED = "inferred"
    PREDICTED = "predicted"
    UNKNOWN = "unknown"


class BomField(NamedTuple):
    """One field of a component.

    Attributes:
        component: Path of the model or dataset.
        field: Its name.
        state: How it is known.
    """

    component: str
    field: str
    state: FieldState


_BY_STATUS = {
    Status.VERIFIED: FieldState.VERIFIED, Status.DECLARED: FieldState.DECLARED, Status.UNDECLARED: FieldState.INFERRED,
    Status.PREDICTED: FieldState.PREDICTED, Status.CONTRADICTED: FieldState.INFERRED,
}  # fmt: skip
_BEST_FIRST = tuple(FieldState)


def field_states(contents: BomContents) -> list[BomField]:
    """Return the fields of all components, each with how it is known.

    *Verified* is what the weights or files confirm. Weights and author agree on a parent, the text of a licence lies in
    the folder, or the digest of a file was computed. *Declared* is what an author states. *Inferred* is from weights
    alone.
    """
    parts = (*contents.models.values(), *contents.datasets.values())
    return [
        BomField(part.path, name, state)
        for part in parts
        for name, state in (_of_dataset(part) if part.dataset else _of_model(part, contents))
    ]


def _of_dataset(entry: BomEntry) -> Iterator[tuple[str, FieldState]]:
    yield "version", _declared(entry, "sha")
    yield "license", _license(entry)


def _of_model(entry: BomEntry, contents: BomContents) -> Iterator[tuple[str, FieldState]]:
    yield "version", FieldState.VERIFIED if entry.files else _declared(entry, "sha")
    yield "files", FieldState.VERIFIED if entry.files else FieldState.UNKNOWN
    yield "license", _license(entry)
    yield "producer", FieldState.UNKNOWN if entry.producer is None else FieldState.DECLARED
    yield "description", FieldState.UNKNOWN if entry.description is None else FieldState.DECLARED
    for name, key in (("task", "pipeline_tag"), ("architecture", "model_type"), ("created", "created_at")):
        yield name, _declared(entry, key)
    steps = [_BY_STATUS[Status(step.status)] for step in contents.parents.get(entry.id, ())]
    yield "parents", max(steps, key=_BEST_FIRST.index, default=FieldState.UNKNOWN)
    yield "training_data", FieldState.DECLARED if contents.trained_on.get(entry.id) else FieldState.UNKNOWN


def _declared(entry: BomEntry, name: str) -> FieldState:
    return FieldState.DECLARED if entry.props.get(name) else FieldState.UNKNOWN


def _license(entry: BomEntry) -> FieldState:
    if any(each["agrees"] for each in entry.license_files):
        return FieldState.VERIFIED
    if entry.license_state is LicenseState.STATED:
        return FieldState.DECLARED
    predicted = any(claim["source"] == Source.PREDICTED for claim in entry.licenses)
    return FieldState.PREDICTED if predicted else FieldState.UNKNOWN


def accuracy(contents: BomContents) -> dict[str, Any]:
    """Return the share of fields in each state, and the completeness, which is the share that is not unknown."""
    counts = Counter(each.state for each in field_states(contents))
    total = sum(counts.values())
    shares = {str(state): round(counts[state] / total, 4) for state in FieldState}
    return {"fields": total, "completeness": round(1 - counts[FieldState.UNKNOWN] / total, 4), "shares": shares}
