"""Findings as SARIF 2.1.0 (OASIS), the exchange format of code-scanning services."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import PurePath
from typing import Any
from urllib.parse import quote

from atlas_db.core.terms import SOFTWARE, Verdict
from atlas_db.licenses.audit import DISCLAIMER, NOT_HERE, AuditReport, license_words
from atlas_db.licenses.rules import rule_book

SCHEMA_URI = "https://json.schemastore.org/sarif-2.1.0.json"
_PROPERTIES = (
    "verdict", "finding", "confidence", "license", "license_state", "child_license", "child_license_state", "evidence",
)  # fmt: skip
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
        "invocations": [_invocation(report)],
        "properties": {
            "disclaimer": DISCLAIMER,
            "counts": report.counts(),
            "newest_record": None if report.newest is None else report.newest._asdict(),
        },
        "artifacts": _artifacts(report, files or {}),
        "results": [_result(row, rule_index, files or {}) for row in report.findings],
    }
    return {"$schema": SCHEMA_URI, "version": "2.1.0", "runs": [run]}


def _invocation(report: AuditReport) -> dict[str, Any]:
    """Return how the audit ran: reasons why findings may be missing, and what could not be read, are notifications."""
    incomplete = [
        {"level": "warning", "descriptor": {"id": "incomplete-atlas"}, "message": {"text": f"Not checked: {gap}."}}
        for gap in report.gaps(Verdict.REVIEW)
    ]
    unread = [
        {
            "level": "warning" if note["unread"] else "note",
            "descriptor": {"id": note["code"].replace("_", "-")},
            "message": {"text": f"{model}: {note['text']}."},
        }
        for model, notes in report.notes.items()
        for note in notes
    ]
    return {"executionSuccessful": True, "toolExecutionNotifications": incomplete + unread}


def _artifacts(report: AuditReport, files: Mapping[str, str]) -> list[dict[str, Any]]:
    """Return the licence files that were read, with their digests and the texts in them."""
    folders = {model: PurePath(files.get(model) or f"{model}/README.md").parent for model in report.license_files}
    return [
        {
            "location": {"uri": quote(os.fsencode((folders[model] / each["file"]).as_posix()))},
            "hashes": {"sha-256": each["sha256"]},
            "properties": {name: each[name] for name in ("licenses", "text_ids", "words_around", "agrees")},
        }
        for model, evidence in report.license_files.items()
        for each in evidence
    ]


def _result(row: Mapping[str, Any], rule_index: Mapping[str, int], files: Mapping[str, str]) -> dict[str, Any]:
    key = "\n".join([row["model"], row["ancestor"] or "", row["rule"]])
    result: dict[str, Any] = {
        "ruleId": row["rule"],
        "ruleIndex": rule_index[row["rule"]],
        "level": _LEVELS.get(Verdict(row["verdict"]), "note"),
        "message": {"text": _message(row)},
        "locations": [_location(row["model"], files)],
        "partialFingerprints": {"modelAncestorRule/v1": hashlib.sha256(key.encode()).hexdigest()},
        "properties": {name: row.get(name) for name in _PROPERTIES},
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
    child, above = license_words(row, "child_license"), license_words(row)
    text = f"{row['model']} {_declares(child)}"
    if row["ancestor"] is not None:
        text += f"; {row['ancestor']} above it {'is' if above == NOT_HERE else 'is under'} {above}"
    text += f". {row['clause']}."
    return f"{text} Fix: {row['remediation']}." if row["remediation"] else text


def _declares(license_text: str) -> str:
    return f"is {NOT_HERE}" if license_text == NOT_HERE else f"declares {license_text}"


def _location(model: str, files: Mapping[str, str]) -> dict[str, Any]:
    uri = files.get(model) or f"{model}/README.md"
    return {
        "physicalLocation": {"artifactLocation": {"uri": quote(os.fsencode(uri))}, "region": {"startLine": 1}},
        "logicalLocations": [{"fullyQualifiedName": model, "kind": "module"}],
    }
