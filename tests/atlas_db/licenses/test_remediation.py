"""Tests of `atlas_db/licenses/remediation.py`."""

from __future__ import annotations

from atlas_db.licenses.audit import AuditOptions, Auditor
from tests.support.license_families import Family


def test_the_cheapest_remediation_is_named() -> None:
    family = Family().model("p/p", "llama3.1").model("c/Tuned", "apache-2.0").step("c/Tuned", "p/p")
    graph = family.build.build()
    auditor = Auditor(graph, AuditOptions())
    auditor.audit_model(graph.ids.index("c/Tuned"), all_findings=True)
    assert {row["remediation"] for row in auditor.report.findings} == {
        "declare llama3.1 and rename it so that the name begins with 'Llama'"
    }
