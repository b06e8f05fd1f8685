"""Licence rules and profiles: data files of this package, validated, and resolved to one rule per triple.

A rule is keyed by the ancestor's licence, the child's licence and their relation. Of those that match, the most
specific one applies: first by how exactly it names the ancestor's licence, then the child's, then the relation. A
look-up fails where two rules are equally specific for a triple; the tests look up every triple.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping
from enum import StrEnum
from functools import cache, cached_property
from importlib import resources
from typing import Annotated, NamedTuple

import msgspec

from atlas_db.catalogue.expressions import Expression, Operator, has_terms, parse_expression
from atlas_db.catalogue.loader import Catalogue, Duty, LicenseFamily, Text, catalogue, read_rows
from atlas_db.core.decoding import prepared
from atlas_db.core.errors import CatalogueError, UsageError, did_you_mean
from atlas_db.core.terms import FindingKind, Relation, Verdict

RULES_FILE = "rules.jsonl"
PROFILES_FILE = "profiles.jsonl"
NONE = "none"
"""Licence id of a model or dataset that declares none."""
UNSEEN = "UNSEEN"
"""Licence id of a model or dataset without a record in the atlas. Declared ids are lower case."""
UNRESOLVED = "UNRESOLVED"
"""Licence id of a parent that a model names, and that no edge leads to."""
ABSENT = (NONE, UNSEEN, UNRESOLVED)
"""Ids that stand for a missing licence."""
TRAINED_ON = "trained_on"
RELATIONS = (Relation.DUPLICATE, Relation.QUANTIZED, Relation.ADAPTER, Relation.FINETUNE, Relation.MERGE, TRAINED_ON)
"""Relations by how strongly they change the weights, weakest first; then training data."""
ORDER = {verdict: place for place, verdict in enumerate(Verdict)}
"""Verdicts from best to worst."""
_RANKS = {"same": 4, "listed": 4, NONE: 4, UNSEEN: 4, UNRESOLVED: 4}
_WHOLE_WORK = frozenset({Duty.SAME_LICENSE, Duty.NO_FURTHER_RESTRICTIONS})
"""Duties that allow no other terms beside the licence."""


class Check(StrEnum):
    """Property that a rule checks."""

    TERMS = "terms"
    NAME = "name"
    LICENSE_FILE = "license_file"
    NOTICE_FILE = "notice_file"
    UPSTREAM_NOTICE = "upstream_notice"
    JURISDICTION = "jurisdiction"
    FOREIGN_MERGE = "foreign_merge"


class RemediationKind(StrEnum):
    """Kind of fix for a finding."""

    DECLARE = "declare"
    RENAME = "rename"
    ADD_FILE = "add_file"
    ADD_NOTICE = "add_notice"
    REPLACE = "replace"
    WITHDRAW = "withdraw"


@prepared
class Rule(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One rule.

    Attributes:
        id: Id of the rule.
        parent: Selectors of the ancestor's licence: an id, `family:…`, or `*` for any that is known. `none` is for one
            that states none, `UNSEEN` for one without a record, and `UNRESOLVED` for a name that no edge follows from.
        child: Selectors of the child's licence: the same, and `same` (the ancestor's own) and `listed` (one that the
            ancestor's licence names as compatible).
        relation: The Hub's relations, duplicate, trained_on, or `*`.
        verdict: Verdict, before the limits of the profile.
        finding: Kind of finding; absent where there is none.
        clause: Clause that the rule cites.
        source: Address of the clause.
        duties: Duties and limits of the ancestor's licence whose clauses are cited, too.
        check: Property that the rule checks.
        unless_file: True where a licence file of the child can carry the terms; the verdict is then review.
        prefix: Required beginning of the name (check `name`).
        tasks: Tasks of the ancestor that the rule applies to (check `jurisdiction`).
        remediation: Kind of fix.
        note: Remark for readers.
    """

    id: Annotated[str, msgspec.Meta(pattern="^[a-z0-9-]+$")]
    parent: Annotated[list[str], msgspec.Meta(min_length=1)]
    child: Annotated[list[str], msgspec.Meta(min_length=1)]
    relation: Annotated[list[str], msgspec.Meta(min_length=1)]
    verdict: Verdict
    clause: Text
    source: Annotated[str, msgspec.Meta(pattern="^https://")]
    finding: FindingKind | None = None
    duties: list[str] = []
    check: Check = Check.TERMS
    unless_file: bool = False
    prefix: str = ""
    tasks: list[str] = []
    remediation: RemediationKind | None = None
    note: str = ""


@prepared
class Profile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How strictly the rules are applied.

    Attributes:
        name: Its name.
        description: Its purpose.
        caps: Worst verdict allowed, by what it rests on. That is a relation (adapter, quantized, trained_on …), an
            undeclared edge (`inferred`), a predicted licence (`predicted`), or several licences (`ambiguous`).
        verdicts: Verdicts by rule id that replace those of the rules.
    """

    name: Text
    description: Text
    caps: dict[str, Verdict]
    verdicts: dict[str, Verdict]


class Ruling(NamedTuple):
    """The rule for one triple and its verdict, limited by the profile."""

    rule: Rule
    verdict: Verdict


class RuleBook:
    """Rules under one profile.

    Attributes:
        profile: The profile.
        rules: All rules by id.
        version: Digest of catalogue, rules and profile; equal versions give equal verdicts.
    """

    def __init__(self, rules: Iterable[Rule], profile: Profile, licenses: Catalogue, name: str = RULES_FILE) -> None:
        self.profile = profile
        self.catalogue = licenses
        self.rules: dict[str, Rule] = {}
        for rule in rules:
            if rule.id in self.rules:
                raise CatalogueError(f"{name} has the rule {rule.id} twice", hint="Rename one of them")
            _check_rule(rule, licenses, name)
            self.rules[rule.id] = rule
        for identifier in profile.verdicts:
            if identifier not in self.rules:
                raise CatalogueError(
                    f"profile {profile.name} names the unknown rule {identifier}", hint=f"Fix {PROFILES_FILE}"
                )
        self._terms = [rule for rule in self.rules.values() if rule.check is Check.TERMS]
        self._rulings: dict[tuple[str, str, str], Ruling] = {}
        self._above: dict[str, list[tuple[int, Rule]]] = {}
        self._checks: dict[tuple[Check, str, str], Rule | None] = {}

    @cached_property
    def version(self) -> str:
        """Digest of catalogue, rules and profile."""
        text = msgspec.json.encode([list(self.catalogue), list(self.rules.values()), self.profile], order="sorted")
        return hashlib.blake2b(text, digest_size=6).hexdigest()

    def terms(self, parent: str, child: str, relation: str) -> Ruling:
        """Return the ruling on a pair of licences or expressions.

        `A OR B` of either is held to the mildest of its choices, `A AND B` of the ancestor to the strictest of its
        parts. Of a choice, the parts that can be read decide; beside one that cannot, nothing is a violation. A child
        under `A AND B` keeps the ancestor's terms where one part does. Where the ancestor's licence allows no other
        terms beside it, each part must. An exception (`WITH`) relaxes a licence: a violation becomes a question for
        review.

        Args:
            parent: Licence of the ancestor: an id or a canonical expression, or one of `ABSENT`.
            child: Licence of the child: the same.
            relation: One of `RELATIONS`.
        """
        key = (parent, child, relation)
        found = self._rulings.get(key)
        if found is None:
            above, below = self._expression(parent), self._expression(child)
            if above.license == parent and below.license == child:
                found = self._resolve(parent, child, relation)
            else:
                found = self._under(above, below, relation)
            self._rulings[key] = found
        return found

    def _expression(self, identifier: str) -> Expression:
        """Return a licence as an expression; an id that cannot be read is one licence of unknown terms."""
        known = identifier in ABSENT or identifier in self.catalogue
        return (None if known else parse_expression(identifier)) or Expression(identifier)

    def _under(self, above: Expression, below: Expression, relation: str) -> Ruling:
        """Return the ruling on a child's expression below an ancestor's expression."""
        if above.operator is not None:
            if above.operator is Operator.OR:
                return _of_choice(above.parts, lambda part: self._under(part, below, relation))
            return max((self._under(part, below, relation) for part in above.parts), key=_severity)
        ruling = self._below(above.license, below, relation)
        if above.exception and ORDER[ruling.verdict] > ORDER[Verdict.REVIEW]:
            return ruling._replace(verdict=Verdict.REVIEW)
        return ruling

    def _below(self, parent: str, below: Expression, relation: str) -> Ruling:
        """Return the ruling on a child's expression below one licence."""
        if below.operator is None:
            return self.terms(parent, below.license, relation)
        if below.operator is Operator.OR:
            return _of_choice(below.parts, lambda part: self._below(parent, part, relation))
        rulings = [self._below(parent, part, relation) for part in below.parts]
        return (max if self._covers_whole_work(parent) else min)(rulings, key=_severity)

    def _covers_whole_work(self, license_id: str) -> bool:
        """Return whether a licence allows no other terms for parts of a derivative; weak copyleft does."""
        entry = self.catalogue.get(license_id)
        return (
            entry is not None
            and entry.family is not LicenseFamily.WEAK_COPYLEFT
            and any(duty.type in _WHOLE_WORK for duty in entry.obligations)
        )

    def _resolve(self, parent: str, child: str, relation: str) -> Ruling:
        ranked = [
            ((up, down, how), rule)
            for up, rule in self._above_rules(parent)
            if (down := max(self._match(selector, child, parent) for selector in rule.child))
            and (how := 2 if relation in rule.relation else 1 if "*" in rule.relation else 0)
        ]
        if not ranked:
            raise CatalogueError(f"no rule covers {child} under {parent} ({relation})", hint="Add one for the family")
        best = max(rank for rank, _ in ranked)
        winners = [rule for rank, rule in ranked if rank == best]
        if len(winners) > 1:
            raise CatalogueError(
                f"rules {', '.join(rule.id for rule in winners)} are equally specific for {child} under {parent} "
                f"({relation})", hint="Make one of them more specific",
            )  # fmt: skip
        return Ruling(winners[0], self.limited_to(self.verdict(winners[0]), relation))

    def _above_rules(self, parent: str) -> list[tuple[int, Rule]]:
        """Return the rules that match an ancestor's licence, each with its rank of specificity."""
        found = self._above.get(parent)
        if found is None:
            ranked = [(max(self._match(each, parent, parent) for each in rule.parent), rule) for rule in self._terms]
            found = self._above[parent] = [(rank, rule) for rank, rule in ranked if rank]
        return found

    def _match(self, selector: str, identifier: str, parent: str) -> int:
        """Return the rank of specificity of a selector for a licence; 0 where it does not match."""
        entry = self.catalogue.get(identifier)
        family = entry.family if entry is not None else LicenseFamily.UNKNOWN
        match selector:
            case "*":
                return 1
            case "same":
                return _RANKS[selector] if identifier == parent and entry is not None else 0
            case "listed":
                above = self.catalogue.get(parent)
                return _RANKS[selector] if above is not None and identifier in above.compatible else 0
            case _ if identifier in ABSENT or selector in ABSENT:
                return _RANKS[selector] if selector == identifier else 0
            case _ if selector.startswith("family:"):
                return 3 if selector == f"family:{family}" else 0
            case _:
                return 5 if selector == identifier else 0

    def checks(self, check: Check, parent: str, relation: str) -> Rule | None:
        """Return the rule of a check for an ancestor's licence and a relation, or None.

        For `A OR B` there is one only where each choice has one.
        """
        key = (check, parent, relation)
        if key not in self._checks:
            self._checks[key] = self._find_check(check, self._expression(parent), relation)
        return self._checks[key]

    def _find_check(self, check: Check, above: Expression, relation: str) -> Rule | None:
        if above.operator is not None:
            found = [self._find_check(check, part, relation) for part in above.parts]
            chosen = [rule for rule in found if rule is not None]
            return None if above.operator is Operator.OR and None in found else next(iter(chosen), None)
        fitting = (
            rule
            for rule in self.rules.values()
            if rule.check is check
            and ("*" in rule.relation or relation in rule.relation)
            and any(self._match(selector, above.license, above.license) > 1 for selector in rule.parent)
        )
        return next(fitting, None)

    def verdict(self, rule: Rule) -> Verdict:
        """Return the verdict of a rule under the profile, before its limits."""
        return self.profile.verdicts.get(rule.id, rule.verdict)

    def limited_to(self, verdict: Verdict, *reasons: str) -> Verdict:
        """Return the verdict, limited to the worst that the profile allows for these reasons."""
        caps = [self.profile.caps[reason] for reason in reasons if reason in self.profile.caps]
        return min([verdict, *caps], key=ORDER.__getitem__)

    def clause(self, rule: Rule, parent: str) -> str:
        """Return the citation of a rule: title and clauses of the ancestor's licence, and the clause of the rule.

        Of an expression, that part is cited which the rule is about.
        """
        entry = self.catalogue.get(self._cited(rule, parent))
        if entry is None:
            return rule.clause
        own = entry.clauses(*rule.duties)
        return f"{entry.name}{', ' + own if own else ''}: {rule.clause}"

    def known_parts(self, license_id: str) -> list[str]:
        """Return the licences of an id or expression that the catalogue has."""
        return [each for each in self._expression(license_id).licenses() if each in self.catalogue]

    def _cited(self, rule: Rule, parent: str) -> str:
        parts = self._expression(parent).licenses()
        ranks = {each: max(self._match(selector, each, each) for selector in rule.parent) for each in parts}
        return max(parts, key=lambda each: ranks[each])

    def table(self, license_ids: Iterable[str]) -> list[tuple[str, str, str, Ruling]]:
        """Return the rulings on all triples (child, ancestor, relation) of these ids, with child `none`, too."""
        names = list(license_ids)
        return [
            (child, parent, relation, self.terms(parent, child, relation))
            for child in (*names, NONE)
            for parent in names
            for relation in RELATIONS
        ]


def _of_choice(parts: tuple[Expression, ...], ruling_on: Callable[[Expression], Ruling]) -> Ruling:
    """Return the mildest ruling on the parts of a choice whose terms are known; of all where none are."""
    readable = [part for part in parts if has_terms(str(part))]
    mildest = min(map(ruling_on, readable or parts), key=_severity)
    if len(readable) < len(parts) and ORDER[mildest.verdict] > ORDER[Verdict.REVIEW]:
        return mildest._replace(verdict=Verdict.REVIEW)
    return mildest


def _severity(ruling: Ruling) -> int:
    return ORDER[ruling.verdict]


def _check_rule(rule: Rule, licenses: Catalogue, name: str) -> None:
    families = {f"family:{family}" for family in LicenseFamily}
    words = {"*", "same", "listed", *ABSENT}
    for selector in (*rule.parent, *rule.child):
        if selector not in families | words and selector not in licenses:
            raise CatalogueError(f"{name}: rule {rule.id} names the unknown licence {selector}", hint="Fix it")
    for relation in rule.relation:
        if relation not in (*RELATIONS, "*"):
            raise CatalogueError(f"{name}: rule {rule.id} names the unknown relation {relation}", hint="Fix it")


def _data(name: str) -> bytes:
    return resources.files(__package__).joinpath("data", name).read_bytes()


@cache
def profiles() -> Mapping[str, Profile]:
    """Return the shipped profiles by name."""
    return {profile.name: profile for profile in read_rows(_data(PROFILES_FILE), Profile, PROFILES_FILE)}


@cache
def rule_book(profile: str = "default") -> RuleBook:
    """Return the shipped rules under a profile.

    Raises:
        UsageError: There is no such profile.
    """
    found = profiles().get(profile)
    if found is None:
        hint = f"{did_you_mean(profile, profiles())} Profiles: {', '.join(profiles())}".strip()
        raise UsageError(f"there is no profile {profile!r}", hint=hint)
    return RuleBook(read_rows(_data(RULES_FILE), Rule, RULES_FILE), found, catalogue())
