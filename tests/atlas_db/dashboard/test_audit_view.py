"""Tests of `atlas_db/dashboard/audit_view.py`."""

from __future__ import annotations

from atlas_db.core.terms import Verdict
from atlas_db.dashboard.audit_view import (
    MATRIX,
    MEANINGS,
    NOT_AUDITED,
    facet_counts,
    headline,
    license_matrix,
    trend_words,
    verdict_rows,
    violation_trend,
)

VERDICTS = [
    {"verdict": "unknown", "models": 70}, {"verdict": "compliant", "models": 25}, {"verdict": "violation", "models": 1},
    {"verdict": NOT_AUDITED, "models": 4},
]  # fmt: skip


def _finding(above: str | None, below: str | None, verdict: str = "needs_review") -> dict[str, str | None]:
    return {"license": above, "child_license": below, "verdict": verdict}


def test_the_headline_counts_only_what_was_audited() -> None:
    assert headline(VERDICTS, 9) == (
        "1 of 96 models breaks terms of something upstream, and 0 need a person to look. "
        "Of 70 nothing can be said: 9 of them stand on what is not in this atlas."
    )
    assert headline([{"verdict": NOT_AUDITED, "models": 4}], 0) == "Nothing was audited yet."
    assert headline([{"verdict": "compliant", "models": 2}], 0).endswith("a person to look.")


def test_every_verdict_has_a_meaning_and_the_worst_comes_first() -> None:
    assert list(MEANINGS) == list(Verdict)
    rows = verdict_rows(VERDICTS)
    assert [row["verdict"] for row in rows] == [*reversed([str(verdict) for verdict in Verdict]), NOT_AUDITED]
    assert sum(row["models"] for row in rows) == 100
    assert [row["share"] for row in rows] == [0.01, 0, 0.7, 0, 0.25, 0.04]


def test_the_matrix_has_the_worst_verdict_of_each_pair_and_says_what_it_leaves_out() -> None:
    findings = [_finding("a", "b"), _finding("a", "b", "violation"), _finding("a", None), _finding(None, "b")]
    matrix = license_matrix(findings)
    assert matrix["cells"]["a\tb"] == {"findings": 2, "verdict": "violation"}
    assert matrix["cells"]["a\tnone"] == matrix["cells"]["none\tb"] == {"findings": 1, "verdict": "needs_review"}
    assert (matrix["above"], matrix["below"]) == (["a", "none"], ["b", "none"])
    many = [_finding(f"l{n:02}", "x") for n in range(MATRIX + 3)]
    matrix = license_matrix(many)
    assert len(matrix["above"]) == MATRIX
    assert (matrix["covered"], matrix["findings"]) == (MATRIX, MATRIX + 3)
    assert license_matrix([])["cells"] == {}


def test_facets_are_counted_the_most_frequent_first() -> None:
    found = facet_counts([_finding("b", "x"), _finding("a", None), _finding("b", "y")], ["license", "child_license"])
    assert found == {"license": {"b": 2, "a": 1}, "child_license": {"x": 1, "y": 1}}
    assert list(found["license"]) == ["b", "a"]


def test_the_trend_of_a_family_is_the_share_of_each_month() -> None:
    dates = ["2024-03", "2024-01", "2024-01", "", "2024-03", "2024-03", "2024-04", "2024-05"]
    broken = [True, False, True, True, True, False, True, False]
    trend = violation_trend(dates, broken)
    assert [row["month"] for row in trend] == ["2024-01", "2024-02", "2024-03", "2024-04", "2024-05"]
    assert [(row["in_violation"], row["models"]) for row in trend] == [(1, 2), (0, 0), (2, 3), (1, 1), (0, 1)]
    assert [row["share"] for row in trend] == [0.5, None, 2 / 3, 1, 0]
    assert violation_trend(["", ""], [True, False]) == []
    assert sum(row["models"] for row in trend) == len(dates) - 1, "one date is not known"
    assert trend_words(trend) == "60.0% of the models of its newest 3 months, 50.0% of the earlier ones"
    assert trend_words(trend[:-1]) == "", "there is nothing earlier"
