"""Findings as SARIF: the log fits the schema of OASIS, and each result has a rule, a place and a print of its own."""

from __future__ import annotations

import json
from typing import Any

import pytest

from atlas_db.licenses.audit import AuditOptions, Auditor, AuditReport
from atlas_db.licenses.sarif import to_sarif
from tests.support.license_families import Family
from tests.support.paths import GOLDEN


@pytest.fixture(scope="module")
def report() -> AuditReport:
    family = Family().model("p/nc", "cc-by-nc-4.0").model("c/mid", "cc-by-nc-4.0").model("c/leaf", "mit")
    graph = (
        family.step("c/mid", "p/nc")
        .step("c/leaf", "c/mid", confidence=0.8)
        .model("q/silent")
        .step("q/silent", "p/nc")
        .build.build()
    )
    auditor = Auditor(graph, AuditOptions())
    for index in range(graph.models):
        auditor.audit_model(index, all_findings=True)
    return auditor.report


def results(log: dict[str, Any]) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = log["runs"][0]["results"]
    return found


def test_the_log_fits_the_schema(report: AuditReport) -> None:
    """The schema is the OASIS one, as Microsoft publishes it in the source of its package sarif-om 1.0.4 (MIT)."""
    schema = json.loads((GOLDEN / "sarif-2.1.0-rtm.4.json").read_text(encoding="utf-8"))
    import jsonschema

    jsonschema.Draft4Validator(schema).validate(to_sarif(report))


def test_each_finding_is_a_result_with_its_rule_and_a_print_of_its_own(report: AuditReport) -> None:
    log = to_sarif(report)
    rules = log["runs"][0]["tool"]["driver"]["rules"]
    assert len(results(log)) == len(report.findings) > 2
    assert all(rules[each["ruleIndex"]]["id"] == each["ruleId"] for each in results(log))
    levels = {row["verdict"]: each["level"] for row, each in zip(report.findings, results(log), strict=True)}
    assert levels == {"violation": "error", "needs_review": "warning", "unknown": "note"}
    prints = [each["partialFingerprints"]["modelAncestorRule/v1"] for each in results(log)]
    assert len(set(prints)) == len(prints)
    assert results(to_sarif(report)) == results(log), "equal from run to run"


def test_the_path_to_the_ancestor_is_a_code_flow(report: AuditReport) -> None:
    found = next(
        each
        for row, each in zip(report.findings, results(to_sarif(report)), strict=True)
        if (row["model"], row["ancestor"]) == ("c/leaf", "p/nc")
    )
    steps = found["codeFlows"][0]["threadFlows"][0]["locations"]
    names = [step["location"]["logicalLocations"][0]["fullyQualifiedName"] for step in steps]
    assert names == ["c/leaf", "c/mid", "p/nc"]
    assert steps[1]["location"]["message"]["text"] == "finetune of c/mid, declared, confidence 0.80"


def test_a_model_of_a_folder_is_placed_there(report: AuditReport) -> None:
    places = {
        each["locations"][0]["physicalLocation"]["artifactLocation"]["uri"]
        for each in results(to_sarif(report, {"c/leaf": "my models/README.md"}))
    }
    assert {"my%20models/README.md", "q/silent/README.md"} <= places
