"""Findings as SARIF: the log fits the schema of OASIS, and each result has a rule, a place and a print of its own."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from atlas_db.licenses.audit import AuditOptions, Auditor, AuditReport, audit_models
from atlas_db.licenses.card_model import read_card_model
from atlas_db.licenses.sarif import to_sarif
from tests.support.graphs import child, model
from tests.support.kept import kept_store
from tests.support.license_families import Family
from tests.support.license_hub import ROWS
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


def _validate(log: dict[str, Any]) -> None:
    schema = json.loads((GOLDEN / "sarif-2.1.0-errata01.json").read_text(encoding="utf-8"))
    import jsonschema

    assert log["$schema"] == schema["id"]
    jsonschema.Draft4Validator(schema).validate(log)


def test_the_log_fits_the_schema(report: AuditReport) -> None:
    """The schema is that of the standard with errata 01 (oasis-tcs/sarif-spec)."""
    _validate(to_sarif(report))


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


def test_lines_addresses_and_severities(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / ".git").mkdir()
    folder = tmp_path / "models" / "mine"
    folder.mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "models")
    (folder / "README.md").write_text(
        "---\n# ours\ntags: [a]\nlicense: mit\nbase_model:\n- p/mit\n- p/nc\ndatasets:\n- data/nc\n---\n# Mine\n"
    )
    card = read_card_model(folder)
    report = audit_models(kept_store(ROWS), [], AuditOptions(), [card])
    log = to_sarif(report, {card.id: str(card.card)}, {card.id: card.lines})
    found = {each["ruleId"]: each for each in results(log) if each["level"] != "note"}
    for result in found.values():
        (place,) = [each["physicalLocation"] for each in result["locations"]]
        assert place["artifactLocation"] == {"uri": "models/mine/README.md", "uriBaseId": "SRCROOT"}
        assert place["region"] == {"startLine": 4}
    named = {each["codeFlows"][0]["threadFlows"][0]["locations"][0]["location"]["physicalLocation"]["region"]["startLine"]
             for each in results(log) if "codeFlows" in each}  # fmt: skip
    assert named == {6, 7, 9}
    driver = log["runs"][0]["tool"]["driver"]
    assert {each["properties"]["security-severity"] for each in driver["rules"]} <= {"8.0", "5.0", "2.0"}
    assert log["runs"][0]["automationDetails"]["id"].endswith("/default/")
    assert str(tmp_path) not in json.dumps(log), "no path of this machine"
    # Without a licence, the parents are where one would look.
    (folder / "README.md").write_text("---\n\nbase_model: p/nc\n---\n")
    card = read_card_model(folder)
    report = audit_models(kept_store(ROWS), [], AuditOptions(), [card])
    log = to_sarif(report, {card.id: str(card.card)}, {card.id: card.lines})
    assert {each["locations"][0]["physicalLocation"]["region"]["startLine"] for each in results(log)} == {3}


def test_suppressed_findings_stay_results_and_other_tools_read_the_log(tmp_path: Path) -> None:
    file = tmp_path / "s.toml"
    entries = [("c/leaf", "non-commercial-lost"), ("c/leaf", "name-llama3"), ("c/loaf", "")]
    file.write_text(
        "".join(
            f'[[suppress]]\nmodel = "{m}"\nrule = "{r}"\nreason = "asked them"\nexpires = 2999-01-31\n'
            for m, r in entries
        )
    )
    rows = [model("p/nc", tags=["license:cc-by-nc-4.0"]), child("c/leaf", "finetune:p/nc", tags=["license:mit"])]
    report = audit_models(kept_store(rows), ["c/leaf"], AuditOptions(suppressions=file))
    assert (report.suppressed, [row["rule"] for row in report.waived]) == (1, ["non-commercial-lost"])
    why = {(row["model"], row["why"]) for row in report.unused_suppressions}
    assert why == {("c/leaf", "no finding of it matches"), ("c/loaf", "it was not audited")}
    log = to_sarif(report)
    _validate(log)
    (waived,) = [each for each in results(log) if "suppressions" in each]
    assert waived["suppressions"][0]["justification"] == "asked them"
    shown = [each["message"]["text"] for each in log["runs"][0]["invocations"][0]["toolExecutionNotifications"]]
    assert "A suppression of c/loaf matches nothing: it was not audited." in shown
    # sarif-tools reads the same results, with their lines.
    from sarif.loader import load_sarif_file

    (tmp_path / "log.sarif").write_text(json.dumps(log))
    read = load_sarif_file(str(tmp_path / "log.sarif"))
    assert read.get_distinct_tool_names() == ["atlas-db"]
    assert read.get_report().get_issue_count_for_severity("error") == 1
    assert [each["Line"] for each in read.get_records()] == [1] * len(results(log))
