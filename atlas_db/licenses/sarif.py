"""Findings as SARIF 2.1.0 (OASIS), the exchange format of code-scanning services."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path, PurePath
from typing import Any
from urllib.parse import quote

from packageurl import PackageURL

from atlas_db.core.terms import SOFTWARE, Verdict
from atlas_db.licenses.audit import DISCLAIMER, NOT_HERE, AuditReport, license_words
from atlas_db.licenses.rules import rule_book

SCHEMA_URI = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
ROOT = "SRCROOT"
"""Name of the folder that addresses of files are relative to: the work tree of git, else the working directory."""
_PACKAGE = "model-atlas-db"
_PROPERTIES = (
    "verdict", "finding", "confidence", "license", "license_state", "child_license", "child_license_state", "evidence",
)  # fmt: skip
_LEVELS = {Verdict.VIOLATION: "error", Verdict.REVIEW: "warning"}
_SEVERITIES = {Verdict.VIOLATION: "8.0", Verdict.REVIEW: "5.0"}
"""Code hosts read `security-severity` as a CVSS score: high from 7.0, medium from 4.0, else low. Set by judgement."""
_TEXTS = (".md", ".yml", ".yaml", ".json")
"""Endings of files in which lines can be shown."""
Lines = Mapping[str, Mapping[str, int]]
"""Lines of a card by key and value."""


def to_sarif(
    report: AuditReport, files: Mapping[str, str] | None = None, lines: Mapping[str, Lines] | None = None
) -> dict[str, Any]:
    """Return a SARIF 2.1.0 log of one run.

    Suppressed findings are results with a suppression, so that services close them instead of calling them fixed.

    Args:
        report: The report.
        files: Paths of model cards by model id, for models read from files. Others get the path in their repository.
        lines: Lines of these cards by model id, as `value_lines` gives them.
    """
    rules = rule_book(report.profile).rules
    rows = [*report.findings, *report.waived]
    used = sorted({row["rule"] for row in rows})
    places = _Places(files or {}, lines or {})
    results = [_result(row, used.index(row["rule"]), places) for row in rows]
    driver = {
        "name": SOFTWARE,
        "version": version(_PACKAGE),
        "semanticVersion": version(_PACKAGE),
        "informationUri": PackageURL("pypi", name=_PACKAGE, version=version(_PACKAGE)).to_string(),
        "fullName": f"{SOFTWARE} licence audit, profile {report.profile}, rules {report.rules_version}",
        "rules": [
            {
                "id": name,
                "shortDescription": {"text": str(rules[name].finding or "terms").replace("_", " ")},
                "fullDescription": {"text": rules[name].clause},
                "helpUri": rules[name].source,
                "defaultConfiguration": {"level": _LEVELS.get(rules[name].verdict, "note")},
                "properties": {
                    "tags": ["security", "license"],
                    "security-severity": _SEVERITIES.get(rules[name].verdict, "2.0"),
                },
            }
            for name in used
        ],
    }
    run = {
        "tool": {"driver": driver},
        "automationDetails": {"id": f"{SOFTWARE}/audit/{report.profile}/"},
        "originalUriBaseIds": {ROOT: {"description": {"text": "The work tree of git, else the working directory."}}},
        "columnKind": "unicodeCodePoints",
        "invocations": [_invocation(report)],
        "properties": {
            "disclaimer": DISCLAIMER,
            "counts": report.counts(),
            "newest_record": None if report.newest is None else report.newest._asdict(),
        },
        "artifacts": _artifacts(report, places),
        "results": results,
    }
    return {"$schema": SCHEMA_URI, "version": "2.1.0", "runs": [run]}


class _Places:
    """Where models are stated: files, relative to the root, and lines in them."""

    def __init__(self, files: Mapping[str, str], lines: Mapping[str, Lines]) -> None:
        self._files, self._lines = files, lines
        self._root = _root_above(Path.cwd()) if files else Path()

    def file(self, model: str) -> str:
        """Return the path of a model's card."""
        return self._files.get(model) or f"{model}/README.md"

    def address(self, path: PurePath) -> dict[str, str]:
        """Return the address of a file, relative to the root where it lies below that."""
        whole = Path(os.path.abspath(path))  # noqa: PTH100 - links of the Hub's cache must stay what they are
        if whole.is_relative_to(self._root):
            path = whole.relative_to(self._root)
        elif path.is_absolute():
            return {"uri": whole.as_uri()}
        return {"uri": quote(os.fsencode(path.as_posix())), "uriBaseId": ROOT}

    def location(self, model: str, key: str = "license", value: str = "") -> dict[str, Any]:
        """Return where a model states a value: the line of the value, else that of the key, else the first."""
        file = PurePath(self.file(model))
        physical: dict[str, Any] = {"artifactLocation": self.address(file)}
        if file.suffix.lower() in _TEXTS:
            physical["region"] = {"startLine": self._line(model, key, value)}
        return {
            "physicalLocation": physical,
            "logicalLocations": [{"fullyQualifiedName": model, "kind": "module"}],
        }

    def _line(self, model: str, key: str, value: str) -> int:
        found = self._lines.get(model, {})
        lines = found.get(key) or found.get("base_model") or {"": 1}
        return next((line for name, line in lines.items() if value and name.endswith(value)), lines[""])


def _root_above(folder: Path) -> Path:
    """Return the work tree of git that a folder is in, else the folder."""
    return next((each for each in (folder, *folder.parents) if (each / ".git").exists()), folder)


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
    unused = [
        {
            "level": "warning",
            "descriptor": {"id": "unused-suppression"},
            "message": {"text": f"A suppression of {each['model']} matches nothing: {each['why']}."},
        }
        for each in report.unused_suppressions
    ]
    return {"executionSuccessful": True, "toolExecutionNotifications": incomplete + unread + unused}


def _artifacts(report: AuditReport, places: _Places) -> list[dict[str, Any]]:
    """Return the licence files that were read, with their digests and the texts in them."""
    return [
        {
            "location": places.address(PurePath(places.file(model)).parent / each["file"]),
            "hashes": {"sha-256": each["sha256"]},
            "properties": {name: each[name] for name in ("licenses", "text_ids", "words_around", "agrees")},
        }
        for model, evidence in report.license_files.items()
        for each in evidence
    ]


def _result(row: Mapping[str, Any], rule_index: int, places: _Places) -> dict[str, Any]:
    key = "\n".join([row["model"], row["ancestor"] or "", row["rule"]])
    result: dict[str, Any] = {
        "ruleId": row["rule"],
        "ruleIndex": rule_index,
        "level": _LEVELS.get(Verdict(row["verdict"]), "note"),
        "message": {"text": _message(row)},
        "locations": [places.location(row["model"])],
        "partialFingerprints": {"modelAncestorRule/v1": hashlib.sha256(key.encode()).hexdigest()},
        "properties": {name: row.get(name) for name in _PROPERTIES},
    }
    if (waived := row.get("suppression")) is not None:
        result["suppressions"] = [
            {
                "kind": "external",
                "status": "accepted",
                "justification": waived["reason"],
                "properties": {"expires": waived["expires"]},
            }
        ]
    if row["path"]:
        steps = [{"location": _stated_parent(row, places)}]
        for step in row["path"]:
            description = (
                f"{step['relation']} of {step['model']}, {step['status']}, confidence {step['confidence']:.2f}"
            )
            steps.append({"location": {**places.location(step["model"]), "message": {"text": description}}})
        result["relatedLocations"] = [{"id": 1, **_stated_parent(row, places)}]
        result["codeFlows"] = [{"threadFlows": [{"locations": steps}]}]
    return result


def _stated_parent(row: Mapping[str, Any], places: _Places) -> dict[str, Any]:
    """Return where a model names the first step of the path, a parent or a dataset."""
    first = row["path"][0]
    key = "datasets" if first["relation"] == "trained_on" else "base_model"
    return {
        **places.location(row["model"], key, first["model"].removeprefix("datasets/")),
        "message": {"text": f"{first['model']} is named here"},
    }


def _message(row: Mapping[str, Any]) -> str:
    child, above = license_words(row, "child_license"), license_words(row)
    text = f"{row['model']} {_declares(child)}"
    if row["ancestor"] is not None:
        text += f"; {row['ancestor']} above it {'is' if above == NOT_HERE else 'is under'} {above}"
    text += f". {row['clause']}."
    return f"{text} Fix: {row['remediation']}." if row["remediation"] else text


def _declares(license_text: str) -> str:
    return f"is {NOT_HERE}" if license_text == NOT_HERE else f"declares {license_text}"
