"""The catalogue, the rules and the judge: hand-made families, a positive and a negative case for every rule."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from atlas_db.catalogue.loader import Catalogue, License, catalogue, read_rows
from atlas_db.core.errors import CatalogueError, SuppressionError, UsageError
from atlas_db.core.terms import FindingKind, Verdict
from atlas_db.licenses.audit import AuditOptions, Auditor
from atlas_db.licenses.audit_graph import GraphBuilder
from atlas_db.licenses.policy_check import PolicyCheck
from atlas_db.licenses.rules import NONE, ORDER, RELATIONS, Profile, Rule, RuleBook, profiles, rule_book
from atlas_db.licenses.suppressions import read_suppressions

VIOLATION, REVIEW, UNKNOWN = Verdict.VIOLATION, Verdict.REVIEW, Verdict.UNKNOWN
OBLIGATIONS, COMPLIANT = Verdict.OBLIGATIONS, Verdict.COMPLIANT


class Family:
    """Builds a small graph: `licences` of models, then steps."""

    def __init__(self) -> None:
        self.build = GraphBuilder()

    def model(
        self,
        name: str,
        *licences: str,
        files: tuple[str, ...] | None = None,
        task: str | None = None,
        created: str | None = "2024-06-01T00:00:00Z",
        predicted: float | None = None,
        placeholder: bool = False,
    ) -> Family:
        self.build.add_model([name, placeholder, task, created, files])
        for licence in licences:
            source = "declared" if predicted is None else "predicted"
            self.build.add_license("Model", name, licence, source, predicted or 1.0, None)
        return self

    def step(
        self, child: str, parent: str, relation: str = "finetune", confidence: float = 1.0, status: str = "declared"
    ) -> Family:
        self.build.add_edge(child, parent, relation, confidence, status)
        return self

    def data(self, child: str, dataset: str, *licences: str) -> Family:
        self.build.add_edge(child, dataset, "trained_on", 1.0, "declared")
        for licence in licences:
            self.build.add_license("Dataset", dataset, licence, "declared", 1.0, None)
        return self

    def judge(self, name: str, profile: str = "default") -> tuple[Verdict, set[tuple[str, str, str]]]:
        """Return the verdict, and (rule, ancestor, verdict) of each finding."""
        graph = self.build.build()
        verdict, findings = PolicyCheck(graph, rule_book(profile)).evaluate(graph.ids.index(name), all_findings=True)
        kept = [each for each in findings if each.finding is not None]
        return verdict, {(each.rule.id, graph.ids[each.ancestor], str(each.verdict)) for each in kept}


@dataclass(frozen=True)
class Scene:
    """A parent, a child and what is between them."""

    parent: str
    child: str
    relation: str = "finetune"
    name: str = "c/Llama-3-x"
    files: tuple[str, ...] | None = None
    parent_files: tuple[str, ...] | None = None
    task: str | None = None
    other: str | None = None

    def rules(self) -> set[str]:
        """Return the rules that decide or fire."""
        family = Family()
        family.model("p/p", *([] if self.parent == NONE else [self.parent]), files=self.parent_files, task=self.task)
        family.model(self.name, *([] if self.child == NONE else [self.child]), files=self.files)
        if self.relation == "trained_on":
            family = Family().model(self.name, self.child).data(self.name, "d/d", self.parent)
        else:
            family.step(self.name, "p/p", self.relation)
        if self.other is not None:
            family.model("o/o", self.other).step(self.name, "o/o", self.relation)
        found = {rule for rule, ancestor, _ in family.judge(self.name)[1] if ancestor in ("p/p", "d/d")}
        return found | {rule_book().terms(self.parent, self.child, self.relation).rule.id}


F, M, Q, A, D = "finetune", "merge", "quantized", "adapter", "duplicate"
CASES = {
    "no-grant": (Scene(NONE, "mit"), Scene("mit", "mit")),
    "unreadable-child": (Scene("llama3", "other"), Scene("llama3", "llama3")),
    "undeclared-child": (Scene("gemma", NONE), Scene("gemma", "gemma")),
    "public-domain": (Scene("cc0-1.0", "llama2"), Scene("mit", "llama2")),
    "permissive": (Scene("apache-2.0", "cc-by-nc-4.0"), Scene("cc-by-nc-4.0", "apache-2.0")),
    "permissive-undeclared": (Scene("mit", NONE), Scene("cc0-1.0", NONE)),
    "share-alike-kept": (Scene("cc-by-sa-4.0", "gpl-3.0"), Scene("cc-by-sa-4.0", "gpl-2.0")),
    "share-alike-lost": (Scene("cc-by-sa-4.0", "mit"), Scene("cc-by-4.0", "mit")),
    "share-alike-other": (Scene("cc-by-sa-4.0", "cc-by-sa-3.0"), Scene("cc-by-sa-3.0", "cc-by-sa-4.0")),
    "no-derivatives": (Scene("cc-by-nd-4.0", "cc-by-nd-4.0"), Scene("cc-by-nd-4.0", "cc-by-nd-4.0", D)),
    "no-derivatives-format": (Scene("cc-by-nd-4.0", "cc-by-nd-4.0", Q), Scene("cc-by-nd-4.0", "cc-by-nd-4.0", F)),
    "no-derivatives-copy": (Scene("cc-by-nd-4.0", "cc-by-nd-4.0", D), Scene("cc-by-nd-4.0", "mit", D)),
    "no-derivatives-copy-relicensed": (Scene("cc-by-nd-4.0", "mit", D), Scene("cc-by-4.0", "mit", D)),
    "no-derivatives-data": (Scene("cc-by-nd-4.0", "mit", "trained_on"), Scene("cc-by-4.0", "mit", "trained_on")),
    "nc-nd-made-commercial": (Scene("cc-by-nc-nd-4.0", "mit", Q), Scene("cc-by-nd-4.0", "mit", Q)),
    "non-commercial-kept": (Scene("cc-by-nc-4.0", "cc-by-nc-nd-4.0"), Scene("cc-by-nc-4.0", "cc-by-nd-4.0")),
    "non-commercial-lost": (Scene("cc-by-nc-4.0", "mit"), Scene("mit", "cc-by-nc-4.0")),
    "non-commercial-other": (Scene("cc-by-nc-4.0", "qwen"), Scene("cc-by-nc-4.0", "qwen-research")),
    "nc-share-alike-kept": (Scene("cc-by-nc-sa-3.0", "cc-by-nc-sa-4.0"), Scene("cc-by-nc-sa-4.0", "cc-by-nc-sa-3.0")),
    "nc-share-alike-lost": (Scene("cc-by-nc-sa-4.0", "cc-by-nc-4.0"), Scene("cc-by-nc-4.0", "cc-by-nc-sa-4.0")),
    "weak-copyleft-kept": (Scene("lgpl-3.0", "gpl-3.0"), Scene("gpl-3.0", "lgpl-3.0")),
    "weak-copyleft-other": (Scene("mpl-2.0", "mit"), Scene("mpl-2.0", "mpl-2.0")),
    "copyleft-kept": (Scene("gpl-3.0", "agpl-3.0"), Scene("agpl-3.0", "gpl-3.0")),
    "copyleft-version": (Scene("gpl-2.0", "gpl-3.0"), Scene("gpl-2.0", "gpl-2.0")),
    "copyleft-lost": (Scene("gpl-3.0", "creativeml-openrail-m"), Scene("mit", "creativeml-openrail-m")),
    "patent-clause-gpl2": (Scene("apache-2.0", "gpl-2.0"), Scene("apache-2.0", "gpl-3.0")),
    "afl-gnu": (Scene("afl-3.0", "gpl-3.0"), Scene("mit", "gpl-3.0")),
    "use-limits-kept": (Scene("openrail++", "creativeml-openrail-m"), Scene("openrail++", "mit")),
    "use-limits-lost": (Scene("creativeml-openrail-m", "mit"), Scene("creativeml-openrail-m", "llama2")),
    "use-limits-other": (Scene("bigcode-openrail-m", "cc-by-nc-4.0"), Scene("bigcode-openrail-m", "openrail")),
    "llama2-kept": (Scene("llama2", "llama2"), Scene("llama2", "llama3")),
    "llama2-lost": (Scene("llama2", "apache-2.0"), Scene("apache-2.0", "llama2")),
    "llama3-kept": (Scene("llama3", "llama3"), Scene("llama3.1", "llama3")),
    "llama3-lost": (Scene("llama3", "llama3.1"), Scene("llama3", "llama3.1", M)),
    "llama3-mixed": (Scene("llama3", "llama3.1", M), Scene("llama3", "llama3", M)),
    "llama3x-kept": (Scene("llama3.3", "llama3.3"), Scene("llama3.3", "llama3.1")),
    "llama3x-lost": (Scene("llama3.1", "mit"), Scene("llama3.1", "llama3.1")),
    "llama3x-mixed": (Scene("llama3.1", "llama3.2", M), Scene("llama3.1", "llama3.2", F)),
    "gemma-kept": (Scene("gemma", "gemma"), Scene("apache-2.0", "gemma")),
    "gemma-lost": (Scene("gemma", "apache-2.0"), Scene("apache-2.0", "apache-2.0", name="c/gemma-4")),
    "gemma-other": (Scene("gemma", "cc-by-nc-4.0"), Scene("gemma", "mit")),
    "vendor-kept": (Scene("tongyi-qianwen", "tongyi-qianwen"), Scene("tongyi-qianwen", "qwen")),
    "vendor-other": (Scene("qwen", "apache-2.0"), Scene("qwen", "qwen")),
    "name-llama3": (Scene("llama3", "llama3", name="c/Tuned"), Scene("llama3", "llama3", name="c/LLAMA_3-Tuned")),
    "name-llama": (Scene("llama3.1", "llama3.1", name="c/Tuned"), Scene("llama3.1", "llama3.1", name="c/llama-x")),
    "file-agreement": (Scene("llama3", "llama3", files=("model.gguf",)), Scene("llama3", "llama3")),
    "file-text": (Scene("mit", "mit", files=()), Scene("mit", "mit", files=("LICENSE.txt",))),
    "file-notice": (Scene("gemma", "gemma", files=("LICENSE",)), Scene("gemma", "gemma", files=("LICENSE", "NOTICE"))),
    "file-notice-apache": (
        Scene("apache-2.0", "mit", files=("LICENSE",), parent_files=("NOTICE",)),
        Scene("apache-2.0", "mit", files=("LICENSE",), parent_files=("LICENSE",)),
    ),
    "eu-multimodal": (
        Scene("llama3.2", "llama3.2", task="image-text-to-text"), Scene("llama3.2", "llama3.2", task="text-generation"),
    ),
    "other-llm-llama2": (Scene("llama2", "llama2", M, other="mit"), Scene("llama2", "llama2", M, other="llama2")),
    "other-llm-llama3": (Scene("llama3", "llama3", M, other="mit"), Scene("llama3", "llama3", F, other="mit")),
}  # fmt: skip


def test_every_rule_has_a_case_a_clause_and_a_source() -> None:
    book = rule_book()
    assert set(CASES) == set(book.rules)
    assert all(rule.clause and rule.source for rule in book.rules.values())


@pytest.mark.parametrize("rule", CASES)
def test_a_rule_fires_where_it_should_and_only_there(rule: str) -> None:
    positive, negative = CASES[rule]
    assert rule in positive.rules()
    assert rule not in negative.rules()


@pytest.mark.parametrize("profile", ["strict", "default", "lenient"])
def test_every_triple_has_exactly_one_ruling(profile: str) -> None:
    """Resolving raises where two rules are equally specific or none matches."""
    book = rule_book(profile)
    ids = [*(row.id for row in catalogue()), NONE, "never-heard-of"]
    table = book.table(ids)
    assert len(table) == (len(ids) + 1) * len(ids) * len(RELATIONS)
    strict = rule_book("strict")
    if profile != "strict":
        assert all(ORDER[r.verdict] <= ORDER[strict.terms(p, c, rel).verdict] for c, p, rel, r in table)


def test_what_is_never_a_conflict() -> None:
    book = rule_book("strict")
    for relation in RELATIONS:
        assert book.terms("mit", "apache-2.0", relation).verdict is OBLIGATIONS
        assert book.terms("apache-2.0", "cc-by-nc-4.0", relation).verdict is OBLIGATIONS


def test_a_laundered_licence_is_found_at_the_root() -> None:
    family = (
        Family()
        .model("meta/Llama-3", "llama3")
        .model("a/Llama-3-mid", "apache-2.0")
        .model("b/Llama-3-leaf", "apache-2.0")
    )
    family.step("a/Llama-3-mid", "meta/Llama-3").step("b/Llama-3-leaf", "a/Llama-3-mid", Q, 0.7)
    verdict, found = family.judge("b/Llama-3-leaf")
    assert verdict is VIOLATION
    assert ("llama3-lost", "meta/Llama-3", "violation") in found
    assert not any(ancestor == "a/Llama-3-mid" and "llama" in rule for rule, ancestor, _ in found)
    graph = family.build.build()
    leaf = graph.ids.index("b/Llama-3-leaf")
    finding = next(f for f in PolicyCheck(graph, rule_book()).evaluate(leaf)[1] if f.rule.id == "llama3-lost")
    assert [graph.ids[edge.parent] for edge in finding.path] == ["a/Llama-3-mid", "meta/Llama-3"]
    assert finding.confidence == 0.7


def test_a_merge_takes_the_worst_of_all_parents() -> None:
    family = (
        Family().model("p/mit", "mit").model("p/nc", "cc-by-nc-4.0").model("p/l3", "llama3").model("p/l31", "llama3.1")
    )
    family.model("m/Llama-3-m", "apache-2.0").step("m/Llama-3-m", "p/mit", M).step("m/Llama-3-m", "p/nc", M)
    assert family.judge("m/Llama-3-m")[0] is VIOLATION
    family.model("m/Llama-3-mix", "llama3.1").step("m/Llama-3-mix", "p/l3", M).step("m/Llama-3-mix", "p/l31", M)
    verdict, found = family.judge("m/Llama-3-mix")
    assert verdict is REVIEW
    assert ("llama3-mixed", "p/l3", "needs_review") in found


def test_an_adapter_without_base_weights_is_for_review_and_strictly_a_violation() -> None:
    family = Family().model("p/nc", "cc-by-nc-4.0").model("c/lora", "mit").step("c/lora", "p/nc", A)
    assert family.judge("c/lora")[0] is REVIEW
    assert family.judge("c/lora", "strict")[0] is VIOLATION
    family.model("c/merged", "mit").step("c/merged", "c/lora", M)
    assert family.judge("c/merged")[0] is VIOLATION  # the weights are in it now


def test_guesses_are_capped_and_a_prediction_grants_nothing() -> None:
    family = Family().model("p/nc", "cc-by-nc-4.0").model("c/x", "mit").step("c/x", "p/nc", F, 0.95, "undeclared")
    assert family.judge("c/x")[0] is REVIEW
    family = Family().model("p/p", "cc-by-nc-4.0", predicted=0.97).model("c/x", "mit").step("c/x", "p/p")
    assert family.judge("c/x")[0] is REVIEW
    family = Family().model("p/p", "mit", predicted=0.97).model("c/x", "mit").step("c/x", "p/p")
    assert family.judge("c/x")[0] is UNKNOWN
    # A declared way beside a guessed one stands on its own.
    family = Family().model("p/nc", "cc-by-nc-4.0").model("c/mid", "mit").model("c/x", "mit")
    family.step("c/x", "c/mid").step("c/mid", "p/nc", F, 0.8).step("c/x", "p/nc", F, 0.99, "predicted")
    assert ("non-commercial-lost", "p/nc", "violation") in family.judge("c/x")[1]


def test_unknown_is_unknown_and_travels() -> None:
    family = Family().model("p/p").model("c/c", "mit").model("d/d", "apache-2.0").step("c/c", "p/p").step("d/d", "c/c")
    assert family.judge("p/p") == (UNKNOWN, {("no-grant", "p/p", "unknown")})
    verdict, found = family.judge("d/d")
    assert verdict is UNKNOWN
    assert ("no-grant", "p/p", "unknown") in found
    lone = Family().model("l/l", "mit").model("q/q", "made-up-licence")
    assert lone.judge("l/l") == (COMPLIANT, set())
    assert lone.judge("q/q")[0] is UNKNOWN


def test_a_licence_file_softens_what_it_could_carry() -> None:
    for files, expected in ((None, VIOLATION), ((), VIOLATION), (("LICENSE",), REVIEW)):
        family = Family().model("p/sd", "creativeml-openrail-m").model("c/x", "mit", files=files).step("c/x", "p/sd")
        assert family.judge("c/x")[0] is expected


def test_several_licences() -> None:
    family = Family().model("p/p", "cc-by-nc-4.0", "mit").model("c/c", "apache-2.0").step("c/c", "p/p")
    assert family.judge("c/c")[0] is REVIEW  # a choice, or a sum?
    family = Family().model("p/p", "llama2").model("c/c", "llama2", "apache-2.0").step("c/c", "p/p")
    assert family.judge("c/c")[0] is OBLIGATIONS  # the child carries it
    family = Family().model("p/p", "other", "llama3").model("c/Llama-3", "mit").step("c/Llama-3", "p/p")
    assert family.judge("c/Llama-3")[0] is VIOLATION  # license_name says what `other` is


def test_a_licence_that_changed_upstream_is_for_review() -> None:
    build = (
        Family()
        .model("c/old", "apache-2.0", created="2023-01-01T00:00:00Z")
        .model("c/new", "apache-2.0", created="2024-06-01T00:00:00Z")
        .model("p/p")
        .step("c/old", "p/p")
        .step("c/new", "p/p")
    )
    build.build.add_license("Model", "p/p", "apache-2.0", "declared", 1.0, "2024-01-01")
    build.build.add_license("Model", "p/p", "cc-by-nc-4.0", "declared", 1.0, None)
    graph = build.build.build()
    judge = PolicyCheck(graph, rule_book())
    old, new = (judge.evaluate(graph.ids.index(name)) for name in ("c/old", "c/new"))
    assert (old[0], [f.finding for f in old[1]]) == (REVIEW, [FindingKind.RELICENSED_UPSTREAM])
    assert new[0] is VIOLATION
    # What an ancestor once did not say is no concern of a child that came later.
    later = Family().model("p/p").model("c/c", "mit").step("c/c", "p/p")
    later.build.add_license("Model", "p/p", "other", "declared", 1.0, "2024-01-01")
    later.build.add_license("Model", "p/p", "mit", "declared", 1.0, None)
    assert later.judge("c/c")[0] is OBLIGATIONS


def test_training_data_is_for_review() -> None:
    family = Family().model("c/c", "mit").data("c/c", "d/nc", "cc-by-nc-4.0").model("g/g", "mit").step("g/g", "c/c")
    assert ("non-commercial-lost", "d/nc", "needs_review") in family.judge("c/c")[1]
    assert ("non-commercial-lost", "d/nc", "needs_review") in family.judge("g/g")[1]
    assert family.judge("c/c", "strict")[0] is VIOLATION
    assert family.judge("c/c", "lenient")[0] is OBLIGATIONS


def test_cycles_end() -> None:
    family = Family().model("a/a", "mit").model("b/b", "mit").model("r/r", "cc-by-nc-4.0")
    family.step("a/a", "b/b").step("b/b", "a/a").step("b/b", "r/r")
    for name in ("a/a", "b/b"):
        verdict, found = family.judge(name)
        assert verdict is VIOLATION
        assert {(rule, ancestor) for rule, ancestor, _ in found if rule != "permissive"} == {
            ("non-commercial-lost", "r/r")
        }


@pytest.mark.timeout(60)  # 3^40 paths would not end
def test_the_ladder_of_forty_levels_of_merges_is_quick() -> None:
    family = Family().model("root", "cc-by-nc-4.0")
    below = ["root"]
    for level in range(40):
        names = [f"l{level}/{place}" for place in range(3)]
        for name in names:
            family.model(name, "mit")
            for parent in below:
                family.step(name, parent, M, 0.9 if parent.endswith("1") else 0.8)
        below = names
    graph = family.build.build()
    judge = PolicyCheck(graph, rule_book())
    verdict, findings = judge.evaluate(graph.ids.index("l39/0"), all_findings=True)
    assert verdict is VIOLATION
    (found,) = [each for each in findings if each.finding is not None]
    assert len(findings) == 1 + 39 * 3
    assert (graph.ids[found.ancestor], len(found.path), found.confidence) == ("root", 40, 0.8)


@given(
    st.lists(
        st.tuples(st.integers(0, 7), st.integers(0, 7), st.sampled_from([F, M, Q, A]), st.integers(1, 9)), max_size=16
    ),
    st.lists(
        st.sampled_from(["mit", "gemma", "cc-by-nc-4.0", "gpl-3.0", NONE, "cc-by-nd-4.0"]), min_size=8, max_size=8
    ),
)
def test_the_judge_agrees_with_a_walk_over_all_paths(
    steps: list[tuple[int, int, str, int]], licences: list[str]
) -> None:
    """A second way: every path of a small acyclic graph, one by one."""
    edges = {(max(a, b), min(a, b)): (relation, c / 10) for a, b, relation, c in steps if a != b}
    family = Family()
    for place, licence in enumerate(licences):
        family.model(f"m/{place}", *([] if licence == NONE else [licence]))
    for (a, b), (relation, confidence) in edges.items():
        family.step(f"m/{a}", f"m/{b}", relation, confidence)
    book = rule_book()

    def paths(node: int) -> list[tuple[int, int, float]]:
        found = []
        for (a, b), (relation, confidence) in edges.items():
            if a == node:
                here = (RELATIONS.index(relation), confidence)
                found.append((b, *here))
                found += [(end, max(here[0], place), min(here[1], sure)) for end, place, sure in paths(b)]
        return found

    for node in range(8):
        expected = [UNKNOWN if licences[node] == NONE else COMPLIANT]
        by_end: dict[int, list[tuple[int, float]]] = {}
        for end, place, sure in paths(node):
            by_end.setdefault(end, []).append((place, sure))
        for end, ways in by_end.items():
            place = max(way[0] for way in ways)
            expected.append(book.terms(licences[end], licences[node], RELATIONS[place]).verdict)
        assert family.judge(f"m/{node}")[0] is max(expected, key=ORDER.__getitem__)


def test_the_catalogue_refuses_a_broken_row_with_its_line() -> None:
    row = (
        b'{"id":"x","name":"X","ref":"LicenseRef-x","family":"permissive","aliases":[],"grants":[],"obligations":[],'
        b'"restrictions":[],"relicense":"any","source":"https://x.org","date":"2024"}'
    )
    (good,) = read_rows(row, License, "c.jsonl")
    for broken, said in (
        (row.replace(b'"permissive"', b'"nice"'), "family"),
        (row[:-5], "line 2"),
        (row.replace(b'"2024"', b'"soon"'), "date"),
        (row.replace(b'"X"', b'""'), "name"),
    ):
        with pytest.raises(CatalogueError, match=f"c.jsonl, line 2.*{said}|{said}"):
            read_rows(b"# a comment\n" + broken, License, "c.jsonl")
    with pytest.raises(CatalogueError, match="twice"):
        Catalogue([good, good])


def test_a_rule_without_clause_and_an_ambiguous_rule_are_refused() -> None:
    row = b'{"id":"r","parent":["mit"],"child":["*"],"relation":["*"],"verdict":"compliant","clause":"","source":"https://x.org"}'
    with pytest.raises(CatalogueError, match=r"line 1.*clause"):
        read_rows(row, Rule, "rules.jsonl")
    (rule,) = read_rows(row.replace(b'"clause":""', b'"clause":"c"'), Rule, "rules.jsonl")
    profile = Profile("p", "p", {}, {})
    book = RuleBook(
        [rule, Rule("s", *(getattr(rule, n) for n in ("parent", "child", "relation")), REVIEW, "c", rule.source)],
        profile,
        catalogue(),
    )
    with pytest.raises(CatalogueError, match="equally specific"):
        book.terms("mit", "mit", F)
    with pytest.raises(CatalogueError, match="unknown licence"):
        RuleBook([Rule("u", ["mitt"], ["*"], ["*"], REVIEW, "c", rule.source)], profile, catalogue())
    with pytest.raises(UsageError, match="no profile"):
        rule_book("harsh")
    assert set(profiles()) == {"strict", "default", "lenient"}


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


def test_the_cheapest_repair_is_named() -> None:
    family = Family().model("p/p", "llama3.1").model("c/Tuned", "apache-2.0").step("c/Tuned", "p/p")
    graph = family.build.build()
    auditor = Auditor(graph, AuditOptions())
    auditor.audit_model(graph.ids.index("c/Tuned"), all_findings=True)
    assert {row["repair"] for row in auditor.report.findings} == {
        "declare llama3.1 and rename it so that the name begins with 'Llama'"
    }


def test_scenes_are_independent() -> None:
    scene = CASES["llama3-lost"][0]
    assert scene.rules() == replace(scene).rules()
