"""Small families of licensed models."""

from __future__ import annotations

from atlas_db.core.terms import Verdict
from atlas_db.licenses.audit_graph import GraphBuilder
from atlas_db.licenses.policy_check import PolicyCheck
from atlas_db.licenses.rules import rule_book

VIOLATION, REVIEW, UNKNOWN = Verdict.VIOLATION, Verdict.REVIEW, Verdict.UNKNOWN


OBLIGATIONS, COMPLIANT = Verdict.OBLIGATIONS, Verdict.COMPLIANT


class Family:
    """Builds a small graph: `licences` of models, then steps."""

    def __init__(self) -> None:
        self.build = GraphBuilder()

    def model(
        self,
        name: str,
        *license_ids: str,
        files: tuple[str, ...] | None = None,
        task: str | None = None,
        created: str | None = "2024-06-01T00:00:00Z",
        predicted: float | None = None,
        placeholder: bool = False,
    ) -> Family:
        self.build.add_model([name, placeholder, task, created, files])
        for license_id in license_ids:
            source = "declared" if predicted is None else "predicted"
            self.build.add_license("Model", name, license_id, source, predicted or 1.0, None)
        return self

    def step(
        self, child: str, parent: str, relation: str = "finetune", confidence: float = 1.0, status: str = "declared"
    ) -> Family:
        self.build.add_edge(child, parent, relation, confidence, status)
        return self

    def data(self, child: str, dataset: str, *license_ids: str) -> Family:
        self.build.add_edge(child, dataset, "trained_on", 1.0, "declared")
        for license_id in license_ids:
            self.build.add_license("Dataset", dataset, license_id, "declared", 1.0, None)
        return self

    def verdict_of(self, name: str, profile: str = "default") -> tuple[Verdict, set[tuple[str, str, str]]]:
        """Return the verdict, and (rule, ancestor, verdict) of each finding."""
        graph = self.build.build()
        verdict, findings = PolicyCheck(graph, rule_book(profile)).evaluate(graph.ids.index(name), all_findings=True)
        kept = [each for each in findings if each.finding is not None]
        return verdict, {(each.rule.id, graph.ids[each.ancestor], str(each.verdict)) for each in kept}


F, M, Q, A, D = "finetune", "merge", "quantized", "adapter", "duplicate"
