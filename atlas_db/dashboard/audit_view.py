"""The audit for readers: headline, verdicts with their meaning, pairs of licences as a matrix, facets with numbers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from atlas_db.core.terms import Verdict

Rows = Sequence[Mapping[str, Any]]
NOT_AUDITED = "not audited"
MEANINGS = {
    Verdict.COMPLIANT: "No known term from upstream applies, or all that apply are met.",
    Verdict.OBLIGATIONS: "Allowed, if certain duties are met: a notice, a name, terms to pass on.",
    Verdict.UNKNOWN: "Nothing can be said: a licence is missing or unreadable, or something upstream was not seen.",
    Verdict.REVIEW: "A question for a person: what is undeclared, inferred or predicted decides it.",
    Verdict.VIOLATION: "It breaks a term of something upstream, by what publishers declare.",
}
RECENT = 3
"""Months with new models that count as the newest of a family."""
MATRIX = 10
"""Licences along each side of the matrix, those with the most findings."""


def headline(verdicts: Rows, unseen: int) -> str:
    """Return the audit in one sentence.

    Args:
        verdicts: Models by verdict.
        unseen: Models whose verdict is unknown because something upstream of them has no record.
    """
    counts = {row["verdict"]: int(row["models"]) for row in verdicts}
    total = sum(counts.values()) - counts.get(NOT_AUDITED, 0)
    if not total:
        return "Nothing was audited yet."
    broken, unclear, unknown = (counts.get(each, 0) for each in (Verdict.VIOLATION, Verdict.REVIEW, Verdict.UNKNOWN))
    verb = "breaks" if broken == 1 else "break"
    words = f"{broken:,} of {total:,} models {verb} terms of something upstream, and {unclear:,} need a person to look."
    if unknown:
        words += f" Of {unknown:,} nothing can be said"
        words += f": {unseen:,} of them stand on what is not in this atlas." if unseen else "."
    return words


def verdict_rows(verdicts: Rows) -> list[dict[str, Any]]:
    """Return the models of each verdict, the worst first, with its meaning and its share."""
    counts = {row["verdict"]: int(row["models"]) for row in verdicts}
    total = sum(counts.values()) or 1
    meanings = {str(verdict): meaning for verdict, meaning in reversed(MEANINGS.items())}
    if counts.get(NOT_AUDITED):
        meanings[NOT_AUDITED] = "No audit has seen it."
    return [
        {"verdict": name, "models": counts.get(name, 0), "share": counts.get(name, 0) / total, "meaning": meaning}
        for name, meaning in meanings.items()
    ]


def license_matrix(findings: Rows) -> dict[str, Any]:
    """Return findings by the licence of the ancestor (rows) and of the model (columns), with the worst verdict of each.

    Args:
        findings: Findings of the newest audit.
    """
    pairs: dict[tuple[str, str], Counter[str]] = {}
    for row in findings:
        key = (row["license"] or "none", row["child_license"] or "none")
        pairs.setdefault(key, Counter())[row["verdict"]] += 1
    above = _largest(pairs, 0)
    below = _largest(pairs, 1)
    order = [str(verdict) for verdict in Verdict]
    cells: dict[str, dict[str, Any]] = {
        f"{one}\t{two}": {"findings": sum(counts.values()), "verdict": max(counts, key=order.index)}
        for (one, two), counts in pairs.items()
        if one in above and two in below
    }
    covered = sum(cell["findings"] for cell in cells.values())
    return {"above": above, "below": below, "cells": cells, "covered": covered, "findings": len(findings)}


def _largest(pairs: Mapping[tuple[str, str], Counter[str]], side: int) -> list[str]:
    totals: Counter[str] = Counter()
    for key, counts in pairs.items():
        totals[key[side]] += sum(counts.values())
    return [name for name, _ in sorted(totals.items(), key=lambda pair: (-pair[1], pair[0]))[:MATRIX]]


def violation_trend(dates: Sequence[str], broken: Sequence[bool]) -> list[dict[str, Any]]:
    """Return a family's models by month of creation, and those of them in violation, the oldest month first.

    Months without new models have no share.

    Args:
        dates: Month of creation of each model, empty where it is not known.
        broken: Whether each is in violation.
    """
    models = Counter(month for month in dates if month)
    violations = Counter(month for month, wrong in zip(dates, broken, strict=True) if month and wrong)
    if not models:
        return []
    span = np.arange(np.datetime64(min(models)), np.datetime64(max(models)) + 1).astype(str).tolist()
    return [
        {
            "month": month,
            "models": models[month],
            "in_violation": violations[month],
            "share": violations[month] / models[month] if models[month] else None,
        }
        for month in span
    ]


def trend_words(trend: Rows) -> str:
    """Return how the share in violation of the newest months compares with that before; empty where nothing is before.

    Args:
        trend: Models and violations by month, the oldest month first.
    """
    filled = [row for row in trend if row["models"]]
    newest, earlier = filled[-RECENT:], filled[:-RECENT]
    if not earlier:
        return ""
    shares = [
        sum(row["in_violation"] for row in part) / sum(row["models"] for row in part) for part in (newest, earlier)
    ]
    return f"{shares[0]:.1%} of the models of its newest {RECENT} months, {shares[1]:.1%} of the earlier ones"


def facet_counts(findings: Rows, names: Sequence[str]) -> dict[str, dict[str, int]]:
    """Return how often each value of some columns occurs, the most frequent first."""
    found = {}
    for name in names:
        counts = Counter(str(row[name]) for row in findings if row[name])
        found[name] = dict(sorted(counts.items(), key=lambda pair: (-pair[1], pair[0])))
    return found
