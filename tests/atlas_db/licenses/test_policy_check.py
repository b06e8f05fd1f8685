"""Tests of `atlas_db/licenses/policy_check.py`."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from atlas_db.core.terms import FindingKind, LicenseState
from atlas_db.licenses.audit_graph import TRAINED
from atlas_db.licenses.policy_check import PolicyCheck
from atlas_db.licenses.rules import NONE, ORDER, RELATIONS, rule_book
from tests.support.license_families import COMPLIANT, OBLIGATIONS, REVIEW, UNKNOWN, VIOLATION, A, F, Family, M, Q


def test_a_laundered_license_is_found_at_the_root() -> None:
    family = (
        Family()
        .model("meta/Llama-3", "llama3")
        .model("a/Llama-3-mid", "apache-2.0")
        .model("b/Llama-3-leaf", "apache-2.0")
    )
    family.step("a/Llama-3-mid", "meta/Llama-3").step("b/Llama-3-leaf", "a/Llama-3-mid", Q, 0.7)
    verdict, found = family.verdict_of("b/Llama-3-leaf")
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
    assert family.verdict_of("m/Llama-3-m")[0] is VIOLATION
    family.model("m/Llama-3-mix", "llama3.1").step("m/Llama-3-mix", "p/l3", M).step("m/Llama-3-mix", "p/l31", M)
    verdict, found = family.verdict_of("m/Llama-3-mix")
    assert verdict is REVIEW
    assert ("llama3-mixed", "p/l3", "needs_review") in found


def test_an_adapter_without_base_weights_is_for_review_and_strictly_a_violation() -> None:
    family = Family().model("p/nc", "cc-by-nc-4.0").model("c/lora", "mit").step("c/lora", "p/nc", A)
    assert family.verdict_of("c/lora")[0] is REVIEW
    assert family.verdict_of("c/lora", "strict")[0] is VIOLATION
    family.model("c/merged", "mit").step("c/merged", "c/lora", M)
    assert family.verdict_of("c/merged")[0] is VIOLATION  # the weights are in it now


def test_guesses_are_capped_and_a_prediction_grants_nothing() -> None:
    family = Family().model("p/nc", "cc-by-nc-4.0").model("c/x", "mit").step("c/x", "p/nc", F, 0.95, "undeclared")
    assert family.verdict_of("c/x")[0] is REVIEW
    family = Family().model("p/p", "cc-by-nc-4.0", predicted=0.97).model("c/x", "mit").step("c/x", "p/p")
    assert family.verdict_of("c/x")[0] is REVIEW
    family = Family().model("p/p", "mit", predicted=0.97).model("c/x", "mit").step("c/x", "p/p")
    assert family.verdict_of("c/x")[0] is UNKNOWN
    # A declared way beside a guessed one stands on its own.
    family = Family().model("p/nc", "cc-by-nc-4.0").model("c/mid", "mit").model("c/x", "mit")
    family.step("c/x", "c/mid").step("c/mid", "p/nc", F, 0.8).step("c/x", "p/nc", F, 0.99, "predicted")
    assert ("non-commercial-lost", "p/nc", "violation") in family.verdict_of("c/x")[1]


def test_unknown_is_unknown_and_travels() -> None:
    family = Family().model("p/p").model("c/c", "mit").model("d/d", "apache-2.0").step("c/c", "p/p").step("d/d", "c/c")
    assert family.verdict_of("p/p") == (UNKNOWN, {("no-grant", "p/p", "unknown")})
    verdict, found = family.verdict_of("d/d")
    assert verdict is UNKNOWN
    assert ("no-grant", "p/p", "unknown") in found
    lone = Family().model("l/l", "mit").model("q/q", "made-up-licence")
    assert lone.verdict_of("l/l") == (COMPLIANT, set())
    assert lone.verdict_of("q/q")[0] is UNKNOWN


def test_what_was_never_seen_is_not_called_unlicensed() -> None:
    family = Family().model("p/gone", placeholder=True).model("p/silent").model("p/odd", "made-up-licence")
    family.model("c/a", "mit").step("c/a", "p/gone").model("c/b", "mit").step("c/b", "p/silent")
    family.model("c/c", "mit").data("c/c", "c/c").step("c/c", "p/gone").step("c/c", "p/odd")
    family.build.mark_unseen(["c/c"])
    assert family.verdict_of("c/a") == (UNKNOWN, {("not-in-atlas", "p/gone", "unknown")})
    assert family.verdict_of("c/b") == (UNKNOWN, {("no-grant", "p/silent", "unknown")})
    graph = family.build.build()
    policy = PolicyCheck(graph, rule_book())
    above = {name: policy.states_above(graph.ids.index(name)) for name in ("c/a", "c/b", "c/c")}
    assert above["c/a"] == {LicenseState.NOT_IN_ATLAS}
    assert above["c/b"] == {LicenseState.STATES_NONE}
    assert above["c/c"] == {LicenseState.NOT_IN_ATLAS, LicenseState.UNREADABLE}
    # A dataset with the name of the model is another repository: a model is not trained on itself.
    (data,) = [f for f in policy.evaluate(graph.ids.index("c/c"), all_findings=True)[1] if f.strength == TRAINED]
    assert (graph.path(data.model), graph.path(data.ancestor)) == ("c/c", "datasets/c/c")


@pytest.mark.parametrize("profile", ["default", "strict", "lenient"])
@pytest.mark.parametrize(
    "above", ["llama3", "cc-by-nc-4.0", "cc-by-nd-4.0", "gpl-3.0", "gemma", "apache-2.0", "mpl-2.0"]
)
def test_nothing_is_demanded_of_a_child_that_was_never_seen(above: str, profile: str) -> None:
    family = Family().model("p/p", above).model("c/c", placeholder=True, files=()).step("c/c", "p/p")
    verdict, found = family.verdict_of("c/c", profile)
    assert verdict is UNKNOWN
    assert {rule for rule, _, _ in found} <= {"not-in-atlas", "not-in-atlas-child"}


def test_a_license_file_softens_what_it_could_carry() -> None:
    for files, expected in ((None, VIOLATION), ((), VIOLATION), (("LICENSE",), REVIEW)):
        family = Family().model("p/sd", "creativeml-openrail-m").model("c/x", "mit", files=files).step("c/x", "p/sd")
        assert family.verdict_of("c/x")[0] is expected


def test_several_licenses() -> None:
    family = Family().model("p/p", "cc-by-nc-4.0", "mit").model("c/c", "apache-2.0").step("c/c", "p/p")
    assert family.verdict_of("c/c")[0] is REVIEW  # a choice, or a sum?
    family = Family().model("p/p", "llama2").model("c/c", "llama2", "apache-2.0").step("c/c", "p/p")
    assert family.verdict_of("c/c")[0] is OBLIGATIONS  # the child carries it
    family = Family().model("p/p", "other", "llama3").model("c/Llama-3", "mit").step("c/Llama-3", "p/p")
    assert family.verdict_of("c/Llama-3")[0] is VIOLATION  # license_name says what `other` is


def test_a_license_that_changed_upstream_is_for_review() -> None:
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
    policy = PolicyCheck(graph, rule_book())
    old, new = (policy.evaluate(graph.ids.index(name)) for name in ("c/old", "c/new"))
    assert (old[0], [f.finding for f in old[1]]) == (REVIEW, [FindingKind.RELICENSED_UPSTREAM])
    assert new[0] is VIOLATION
    # What an ancestor once did not say is no concern of a child that came later.
    later = Family().model("p/p").model("c/c", "mit").step("c/c", "p/p")
    later.build.add_license("Model", "p/p", "other", "declared", 1.0, "2024-01-01")
    later.build.add_license("Model", "p/p", "mit", "declared", 1.0, None)
    assert later.verdict_of("c/c")[0] is OBLIGATIONS


def test_training_data_is_for_review() -> None:
    family = Family().model("c/c", "mit").data("c/c", "d/nc", "cc-by-nc-4.0").model("g/g", "mit").step("g/g", "c/c")
    assert ("non-commercial-lost", "d/nc", "needs_review") in family.verdict_of("c/c")[1]
    assert ("non-commercial-lost", "d/nc", "needs_review") in family.verdict_of("g/g")[1]
    assert family.verdict_of("c/c", "strict")[0] is VIOLATION
    assert family.verdict_of("c/c", "lenient")[0] is OBLIGATIONS


def test_cycles_end() -> None:
    family = Family().model("a/a", "mit").model("b/b", "mit").model("r/r", "cc-by-nc-4.0")
    family.step("a/a", "b/b").step("b/b", "a/a").step("b/b", "r/r")
    for name in ("a/a", "b/b"):
        verdict, found = family.verdict_of(name)
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
    policy = PolicyCheck(graph, rule_book())
    verdict, findings = policy.evaluate(graph.ids.index("l39/0"), all_findings=True)
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
def test_the_policy_check_agrees_with_a_walk_over_all_paths(
    steps: list[tuple[int, int, str, int]], license_ids: list[str]
) -> None:
    """A second way: every path of a small acyclic graph, one by one."""
    edges = {(max(a, b), min(a, b)): (relation, c / 10) for a, b, relation, c in steps if a != b}
    family = Family()
    for place, license_id in enumerate(license_ids):
        family.model(f"m/{place}", *([] if license_id == NONE else [license_id]))
    for (a, b), (relation, confidence) in edges.items():
        family.step(f"m/{a}", f"m/{b}", relation, confidence)
    book = rule_book()

    def paths(node: int) -> list[tuple[int, int, float]]:
        found = []
        for (a, b), (relation, confidence) in edges.items():
            if a == node:
                here = (RELATIONS.index(relation), confidence)
                found.append((b, *here))
                found += [(end, max(here[0], place), min(here[1], confident)) for end, place, confident in paths(b)]
        return found

    for node in range(8):
        expected = [UNKNOWN if license_ids[node] == NONE else COMPLIANT]
        by_end: dict[int, list[tuple[int, float]]] = {}
        for end, place, confident in paths(node):
            by_end.setdefault(end, []).append((place, confident))
        for end, ways in by_end.items():
            place = max(way[0] for way in ways)
            expected.append(book.terms(license_ids[end], license_ids[node], RELATIONS[place]).verdict)
        assert family.verdict_of(f"m/{node}")[0] is max(expected, key=ORDER.__getitem__)
