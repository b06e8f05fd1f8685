"""Tests of `atlas_db/licenses/suppressions.py`."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from atlas_db.core.errors import SuppressionError
from atlas_db.licenses.audit import AuditOptions, Auditor
from atlas_db.licenses.suppressions import read_suppressions
from tests.support.license_families import COMPLIANT, Family
from tests.support.malformed import MALFORMED_TOML


def test_suppressions_hold_until_they_expire(tmp_path: Path) -> None:
    file = tmp_path / "s.toml"
    file.write_text(
        '[[suppress]]\nmodel = "c/c"\nrule = "non-commercial-lost"\nreason = "we asked"\nexpires = 2999-01-01\n'
    )
    family = Family().model("p/p", "cc-by-nc-4.0").model("c/c", "mit").step("c/c", "p/p")
    graph = family.build.build()
    auditor = Auditor(graph, AuditOptions(suppressions=file))
    assert auditor.audit_model(graph.ids.index("c/c"), all_findings=False) == (COMPLIANT, [])
    assert auditor.report.suppressed == 1
    with pytest.raises(SuppressionError, match="expired on 2999-01-01"):
        read_suppressions(file, date(3000, 1, 1), frozenset({"non-commercial-lost"}))
    with pytest.raises(SuppressionError, match="no rule"):
        read_suppressions(file, date(2024, 1, 1), frozenset())
    file.write_text('[[suppress]]\nmodel = "c/c"\nexpires = 2999-01-01\n')
    with pytest.raises(SuppressionError, match="reason"):
        read_suppressions(file, date(2024, 1, 1), frozenset())


@pytest.mark.parametrize("body", MALFORMED_TOML.values(), ids=MALFORMED_TOML)
def test_a_file_that_is_no_suppression_file_is_named(tmp_path: Path, body: bytes) -> None:
    (tmp_path / "s.toml").write_bytes(body)
    with pytest.raises(SuppressionError, match="s.toml is no suppression file") as caught:
        read_suppressions(tmp_path / "s.toml", date(2024, 1, 1), frozenset())
    assert "takes model, reason" in caught.value.hint
