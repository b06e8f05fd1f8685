"""Tests of `atlas_db/licenses/rules.py`."""

from __future__ import annotations

from dataclasses import dataclass, replace

import pytest

from atlas_db.catalogue.loader import catalogue, read_rows
from atlas_db.core.errors import CatalogueError, UsageError
from atlas_db.core.terms import Verdict
from atlas_db.licenses.rules import (
    ABSENT,
    NONE,
    ORDER,
    RELATIONS,
    UNRESOLVED,
    UNSEEN,
    Check,
    Profile,
    Rule,
    RuleBook,
    profiles,
    rule_book,
)
from tests.support.license_families import OBLIGATIONS, REVIEW, VIOLATION, D, F, Family, M, Q


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
        for name, license_id, files, task in (
            ("p/p", self.parent, self.parent_files, self.task), (self.name, self.child, self.files, None),
        ):  # fmt: skip
            stated = [] if license_id in ABSENT else [license_id]
            family.model(name, *stated, files=files, task=task, placeholder=license_id == UNSEEN)
        if self.relation == "trained_on":
            family = Family().model(self.name, self.child).data(self.name, "d/d", self.parent)
        else:
            family.step(self.name, "p/p", self.relation)
        if self.other is not None:
            family.model("o/o", self.other).step(self.name, "o/o", self.relation)
        found = {rule for rule, ancestor, _ in family.verdict_of(self.name)[1] if ancestor in ("p/p", "d/d")}
        return found | {rule_book().terms(self.parent, self.child, self.relation).rule.id}


CASES = {
    "no-grant": (Scene(NONE, "mit"), Scene("mit", "mit")),
    "not-in-atlas": (Scene(UNSEEN, "mit"), Scene(NONE, "mit")),
    "not-in-atlas-child": (Scene("gemma", UNSEEN), Scene("gemma", NONE)),
    "unresolved-parent": (Scene(UNRESOLVED, "mit"), Scene(NONE, "mit")),
    "unreadable-license": (Scene("other", "mit"), Scene(NONE, "mit")),
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


@pytest.mark.slow
@pytest.mark.parametrize("profile", ["default", "strict", "lenient"])
def test_every_triple_has_exactly_one_ruling(profile: str) -> None:
    """Resolving raises where two rules are equally specific or none matches."""
    book = rule_book(profile)
    ids = [*(row.id for row in catalogue()), *ABSENT, "never-heard-of"]
    table = book.table(ids)
    assert len(table) == (len(ids) + 1) * len(ids) * len(RELATIONS)
    strict = rule_book("strict")
    if profile != "strict":
        assert all(ORDER[r.verdict] <= ORDER[strict.terms(p, c, rel).verdict] for c, p, rel, r in table)


@pytest.mark.parametrize(
    ("parent", "child", "verdict", "rule"),
    [
        ("cc-by-nc-4.0 OR mit", "apache-2.0", OBLIGATIONS, "permissive"),
        ("apache-2.0 AND cc-by-nc-4.0", "apache-2.0", VIOLATION, "non-commercial-lost"),
        ("apache-2.0 AND cc-by-nc-4.0", "apache-2.0 AND cc-by-nc-4.0", OBLIGATIONS, None),
        ("cc-by-nc-4.0", "apache-2.0 OR mit", VIOLATION, "non-commercial-lost"),
        ("cc-by-nc-4.0", "apache-2.0 AND cc-by-nc-4.0", OBLIGATIONS, "non-commercial-kept"),
        ("llama3.1", "apache-2.0 AND llama3.1", OBLIGATIONS, "llama3x-kept"),
        ("gpl-3.0", "cc-by-nc-4.0 AND gpl-3.0", VIOLATION, "copyleft-lost"),
        ("gpl-3.0", "gpl-3.0 OR mit", OBLIGATIONS, "copyleft-kept"),
        ("gpl-2.0", "gpl-3.0", REVIEW, "copyleft-version"),
        ("gpl-2.0 OR gpl-3.0", "gpl-3.0", OBLIGATIONS, "copyleft-kept"),
        ("gpl-2.0 WITH classpath-exception-2.0", "mit", REVIEW, "copyleft-lost"),
        ("mpl-2.0", "mit AND mpl-2.0", OBLIGATIONS, "weak-copyleft-kept"),
        ("mit AND my-own", "mit", Verdict.UNKNOWN, "unreadable-license"),
        ("(mit OR my-own) AND cc-by-4.0", "mit", OBLIGATIONS, "permissive"),
        ("llama3", "mit AND my-own", REVIEW, "unreadable-child"),
        ("llama3", "my-own", REVIEW, "unreadable-child"),
        ("apache-2.0", "my-own", OBLIGATIONS, "permissive"),
    ],
)  # fmt: skip
def test_expressions_under_expressions(parent: str, child: str, verdict: Verdict, rule: str | None) -> None:
    found = rule_book().terms(parent, child, F)
    assert found.verdict is verdict
    assert rule in (None, found.rule.id)


def test_an_expression_cites_the_part_that_decides_and_checks_follow_its_operator() -> None:
    book = rule_book()
    found = book.terms("apache-2.0 AND cc-by-nc-4.0", "mit", F)
    assert book.clause(found.rule, "apache-2.0 AND cc-by-nc-4.0").startswith(
        "Creative Commons Attribution Non Commercial 4.0"
    )
    assert book.checks(Check.NAME, "llama3.1 AND mit", F) is book.rules["name-llama"]
    assert book.checks(Check.NAME, "llama3.1 OR mit", F) is None


def test_what_is_never_a_conflict() -> None:
    book = rule_book("strict")
    for relation in RELATIONS:
        assert book.terms("mit", "apache-2.0", relation).verdict is OBLIGATIONS
        assert book.terms("apache-2.0", "cc-by-nc-4.0", relation).verdict is OBLIGATIONS


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


def test_scenes_are_independent() -> None:
    scene = CASES["llama3-lost"][0]
    assert scene.rules() == replace(scene).rules()
