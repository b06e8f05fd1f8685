"""Tests of `atlas_db/claims/resolve.py`."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from atlas_db.claims.declared_parents import ParentDeclaration
from atlas_db.claims.model_names import NameEvidence
from atlas_db.claims.resolve import fuse_claims, resolve_declarations
from atlas_db.core.terms import Relation, Resolution


def statement(child: str, name: str) -> ParentDeclaration:
    return ParentDeclaration(child, name, Relation.FINETUNE, 0.8, "default", "2024", "2024", None)


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
