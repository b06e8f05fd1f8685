"""Findings as SARIF 2.1.0 (OASIS), the exchange format of code-scanning services."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from importlib.metadata import version
from typing import Any
from urllib.parse import quote

from atlas_db.core.terms import SOFTWARE, Verdict
from atlas_db.licenses.audit import DISCLAIMER, AuditReport
from atlas_db.licenses.rules import rule_book

SCHEMA_URI = "https://json.schemastore.org/sarif-2.1.0.json"
_LEVELS = {Verdict.VIOLATION: "error", Verdict.REVIEW: "warning"}


def to_sarif(report: AuditReport, files: Mapping[str, str] | None = None) -> dict[str, Any]:
    """Return a SARIF 2.1.0 log of one run.

    Args:
        report: The report.
        files: Paths of model cards by model id, for models read from folders. Others get the path in their repository.
    """
    rules = rule_book(report.profile).rules
    used = sorted({row["rule"] for row in report.findings})
    rule_index = {rule: index for index, rule in enumerate(used)}
    driver = {
        "name": SOFTWARE,
        "version": version("model-atlas-db"),
        "fullName": f"{SOFTWARE} licence audit, profile {report.profile}, rules {report.rules_version}",
        "rules": [
            {
                "id": name,
                "shortDescription": {"text": str(rules[name].finding or "terms").replace("_", " ")},
                "fullDescription": {"text": rules[name].clause},
                "helpUri": rules[name].source,
                "defaultConfiguration": {"level": _LEVELS.get(rules[name].verdict, "note")},
            }
            for name in used
        ],
    }
    run = {
        "tool": {"driver": driver},
        "columnKind": "unicodeCodePoints",
        "properties": {"disclaimer": DISCLAIMER, "counts": report.counts()},
        "results": [_result(row, rule_index, files or {}) for row in report.findings],
    }
    return {"$schema": SCHEMA_URI, "version": "2.1.0", "runs": [run]}


def _result(row: Mapping[str, Any], rule_index: Mapping[str, int], files: Mapping[str, str]) -> dict[str, Any]:
    key = "\n".join([row["model"], row["ancestor"] or "", row["rule"]])
    result: dict[str, Any] = {
        "ruleId": row["rule"],
        "ruleIndex": rule_index[row["rule"]],
        "level": _LEVELS.get(Verdict(row["verdict"]), "note"),
        "message": {"text": _message(row)},
        "locations": [_location(row["model"], files)],
        "partialFingerprints": {"modelAncestorRule/v1": hashlib.sha256(key.encode()).hexdigest()},
        "properties": {name: row[name] for name in ("verdict", "finding", "confidence", "license", "child_license")},
    }
    if row["path"]:
        steps = [{"location": _location(row["model"], files)}]
        for step in row["path"]:
            description = (
                f"{step['relation']} of {step['model']}, {step['status']}, confidence {step['confidence']:.2f}"
            )
            steps.append({"location": {**_location(step["model"], files), "message": {"text": description}}})
        result["codeFlows"] = [{"threadFlows": [{"locations": steps}]}]
    return result


def _message(row: Mapping[str, Any]) -> str:
    child = row["child_license"] or "no licence"
    if row["ancestor"] is None:
        text = f"{row['model']} declares {child}. {row['clause']}."
    else:
        text = (
            f"{row['model']} declares {child}; {row['ancestor']} above it is under {row['license'] or 'no licence'}. "
            f"{row['clause']}."
        )
    return f"{text} Fix: {row['repair']}." if row["repair"] else text


def _location(model: str, files: Mapping[str, str]) -> dict[str, Any]:
    uri = files.get(model) or f"{model}/README.md"
    return {
        "physicalLocation": {"artifactLocation": {"uri": quote(uri)}, "region": {"startLine": 1}},
        "logicalLocations": [{"fullyQualifiedName": model, "kind": "module"}],
    }
