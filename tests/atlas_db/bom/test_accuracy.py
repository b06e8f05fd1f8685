"""The accuracy of a bill: each field once, by how it is known."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from atlas_db.bom.accuracy import FieldState, accuracy, field_states
from atlas_db.bom.collect import ParentStep, collect_contents
from atlas_db.bom.cyclonedx import write_bom
from atlas_db.core.terms import LicenseState, Source
from atlas_db.licenses.card_model import read_card_model
from tests.support.kept import kept_store
from tests.support.license_hub import ROWS


@pytest.mark.slow
def test_shares_are_those_of_the_fields_and_stand_in_the_document() -> None:
    contents = collect_contents(kept_store(ROWS), "d/below")
    found = {(each.component, each.field): each.state for each in field_states(contents)}
    assert found["d/below", "license"] is FieldState.DECLARED
    assert found["d/below", "training_data"] is FieldState.UNKNOWN
    assert found["d/trained", "training_data"] is FieldState.DECLARED
    assert found["d/trained", "parents"] is FieldState.UNKNOWN
    scores = accuracy(contents)
    assert scores["fields"] == len(found) == 2 * 10 + 2
    counts = Counter(found.values())
    assert scores["completeness"] == pytest.approx(1 - counts[FieldState.UNKNOWN] / len(found), abs=1e-4)
    assert sum(scores["shares"].values()) == pytest.approx(1, abs=1e-3)
    stated = {each["name"]: each["value"] for each in write_bom(contents)["metadata"]["properties"]}
    assert stated["atlas-db:completeness"] == str(scores["completeness"])


@pytest.mark.parametrize(
    ("status", "state"),
    [("verified", "verified"), ("declared", "declared"), ("undeclared", "inferred"), ("predicted", "predicted")],
)
def test_a_field_is_as_sure_as_the_weakest_of_its_parents(status: str, state: str) -> None:
    contents = collect_contents(kept_store(ROWS), "d/below")
    contents.parents["d/below"] = [
        ParentStep("d/trained", "finetune", "verified", 1.0), ParentStep("p/nc", "finetune", status, 0.9)
    ]  # fmt: skip
    found = {(each.component, each.field): each.state for each in field_states(contents)}
    assert found["d/below", "parents"] == state


def test_a_licence_text_verifies_and_a_prediction_is_none(tmp_path: Path) -> None:
    contents = collect_contents(kept_store(ROWS), "b/silent")
    entry = contents.models["b/silent"]
    entry.licenses = [{"id": "mit", "source": Source.PREDICTED, "confidence": 0.9}]
    assert entry.license_state is LicenseState.STATES_NONE
    assert dict(_of(contents, "b/silent"))["license"] is FieldState.PREDICTED
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "README.md").write_text("---\nlicense: mit\n---\n")
    card = read_card_model(tmp_path / "mine")
    contents = collect_contents(kept_store(ROWS), "mine", folder=card)
    assert dict(_of(contents, "mine"))["files"] is FieldState.VERIFIED
    contents.models["mine"].license_files = [{"agrees": True}]
    assert dict(_of(contents, "mine"))["license"] is FieldState.VERIFIED


def _of(contents, name):
    return [(each.field, each.state) for each in field_states(contents) if each.component == name]
