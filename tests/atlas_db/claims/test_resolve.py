"""Tests of `atlas_db/claims/resolve.py`."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from atlas_db.claims.declared_parents import ParentDeclaration
from atlas_db.claims.model_names import NameEvidence
from atlas_db.claims.resolve import fuse_claims, resolve_declarations
from atlas_db.core.terms import RecordPart, Relation, Resolution


def statement(child: str, name: str) -> ParentDeclaration:
    return ParentDeclaration(child, name, RecordPart.TAGS, Relation.FINETUNE, 0.8, "default", "2024", "2024", None)


@given(st.lists(st.tuples(*[st.sampled_from("abcdef")] * 2), max_size=14, unique=True), st.randoms())
def test_edges_never_close_a_cycle(pairs: list[tuple[str, str]], random: Any) -> None:
    import networkx as nx

    facts = {f"o/{x}": NameEvidence(1, f"2024-01-0{'abcdef'.index(x) // 2 + 1}T00:00:00Z") for x in "abcdef"}
    observed = [statement(f"o/{a}", f"o/{b}") for a, b in pairs]
    stated_claims = resolve_declarations(facts, observed)
    graph = nx.DiGraph((edge.child, edge.parent) for edge in fuse_claims(stated_claims))
    assert nx.is_directed_acyclic_graph(graph)
    random.shuffle(observed)
    assert resolve_declarations(facts, observed) == stated_claims
    # No claim is dropped without need: each one marked would close a cycle.
    for item in stated_claims:
        if item.resolution is Resolution.CYCLE:
            assert nx.has_path(graph, item.parent, item.child)


def of_card(child: str, name: str, listed: bool, date: str = "2026-05-01") -> ParentDeclaration:
    return statement(child, name)._replace(part=RecordPart.CARD, first_seen=date, last_seen=date, listed=listed)


def test_each_part_of_a_record_is_a_claim_of_its_own() -> None:
    claims = resolve_declarations({}, [statement("o/kid", "o/base"), of_card("o/kid", "o/base", True)])
    assert [(item.method, item.parent) for item in claims] == [("hub-card@1", "o/base"), ("hub-tags@1", "o/base")]
    (edge,) = fuse_claims(claims)
    # One author said it twice: the confidence is that of the surer claim, not of two independent ones.
    assert edge.confidence == max(item.confidence for item in claims)


def test_a_parent_that_the_hub_dropped_is_gone_and_stays() -> None:
    models = {"o/kept": NameEvidence(1, None, "2026-05-01"), "o/old": NameEvidence(1, None, "2024-07-01")}
    names = {"o/kept": Resolution.EXACT, "o/old": Resolution.GONE, "o/never-seen": Resolution.GONE}
    claims = resolve_declarations(models, [of_card("o/kid", name, False) for name in names])
    assert {item.parent: item.resolution for item in claims} == names
    assert {edge.parent for edge in fuse_claims(claims)} == set(names)
    # A path was never on the Hub.
    (found,) = resolve_declarations({}, [of_card("o/kid", "./out/step-5", False)])
    assert found.resolution is Resolution.ABSENT


def test_a_renaming_serves_the_other_children() -> None:
    seen = [
        of_card("o/kid", "old/m", False),
        statement("o/kid", "new/m")._replace(first_seen="2026-05-01", last_seen="2026-05-01"),
    ]
    claims = resolve_declarations({}, [*seen, statement("o/other", "old/m")])
    assert {(item.child, item.parent, item.resolution) for item in claims} == {
        ("o/kid", "new/m", Resolution.RENAMED), ("o/kid", "new/m", Resolution.ABSENT),
        ("o/other", "new/m", Resolution.RENAMED),
    }  # fmt: skip
