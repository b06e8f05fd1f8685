"""A zoo with some models left out, and each model among a small family alone: other truths for the same chart.

An open draw leaves out parents, as most folders lack them. What is then right:

- the edge to a parent that is there
- the edge to what stands for an absent parent: its copy in another type, quantized, permuted, or what it is a copy of
- models whose parents are absent are grouped with those of the same parent, and with no others
"""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from itertools import combinations
from typing import Any

from atlas_db.core.terms import is_origin
from ingest.weights.fingerprints.fingerprint import Fingerprint
from ingest.weights.tree.edge import Edge, above_threshold

Truth = Mapping[str, Any]
Pair = tuple[str, str]
Groups = Callable[[Sequence[Fingerprint], Sequence[Edge]], Sequence[Collection[str]]]
"""Reads from a chart which models share an origin that is not there."""
COPIES = ("cast_", "quant_", "duplicate", "permuted", "pipeline")
"""Kinds that are their parent's weights in another form, by the beginnings of their names."""
_TRAINED_COPY = "permuted_ft"


def draw_absent(truth: Truth, rule: str, seed: int) -> set[str]:
    """Return the models to leave out.

    Args:
        truth: What `make` wrote.
        rule: `roots`, all roots that have children; `hubs`, of each family the model with the most children that is no
            root; `inner=SHARE`, a share of all models between root and leaf.
        seed: Of the draw.

    Raises:
        ValueError: The rule is none of these.
    """
    children: dict[str, set[str]] = defaultdict(set)
    for edge in truth["edges"]:
        children[edge["parent"]].add(edge["child"])
    roots, family = set(truth["roots"]), {node["id"]: node["family"] for node in truth["nodes"]}
    inner = sorted(set(children) - roots)
    if rule == "roots":
        return {root for root in roots if root in children}
    if rule == "hubs":
        most: dict[str, str] = {}
        for name in sorted(inner, key=lambda name: len(children[name])):
            most[family[name]] = name
        return set(most.values())
    what, _, share = rule.partition("=")
    if what != "inner" or not share:
        raise ValueError(f"{rule!r} is none of: roots, hubs, inner=.3")
    return set(random.Random(seed).sample(inner, round(float(share) * len(inner))))


def open_truth(truth: Truth, absent: Collection[str], *, ancestors: bool = False) -> dict[str, Any]:
    """Return what is true without some models.

    Args:
        truth: What is true of all.
        absent: Models that are left out.
        ancestors: Whether the nearest ancestors that are there count as right, too, where a parent is absent.
    """
    same = _copies(truth)
    above: dict[str, list[str]] = defaultdict(list)
    for edge in truth["edges"]:
        above[edge["child"]].append(edge["parent"])
    edges = [edge for edge in truth["edges"] if not {edge["child"], edge["parent"]} & set(absent)]
    known = {(edge["child"], edge["parent"]) for edge in edges}
    for edge in truth["edges"]:
        if edge["child"] in absent or edge["parent"] not in absent:
            continue
        stand_ins = same[edge["parent"]] - set(absent)
        if ancestors:
            stand_ins = stand_ins | _nearest(edge["parent"], above, same, absent)
        for other in sorted(stand_ins - {edge["child"]}):
            if (edge["child"], other) not in known:
                known.add((edge["child"], other))
                edges.append({**edge, "parent": other, "optional": True, "absent": edge["parent"]})
    has_parent = {edge["child"] for edge in edges if not edge["optional"]}
    nodes = [node for node in truth["nodes"] if node["id"] not in absent]
    return {**truth, "nodes": nodes, "edges": edges, "roots": [n["id"] for n in nodes if n["id"] not in has_parent]}


def _copies(truth: Truth) -> dict[str, set[str]]:
    """Return for each model all that hold its weights in some form, itself among them."""
    same = {node["id"]: {node["id"]} for node in truth["nodes"]}
    for edge in truth["edges"]:
        if edge["kind"].startswith(COPIES) and edge["kind"] != _TRAINED_COPY:
            both = same[edge["child"]] | same[edge["parent"]]
            for name in both:
                same[name] = both
    return same


def _nearest(
    model: str, above: Mapping[str, Sequence[str]], same: Mapping[str, set[str]], absent: Collection[str]
) -> set[str]:
    """Return the nearest ancestors that are there, or what stands for them."""
    found: set[str] = set()
    for parent in above.get(model, ()):
        stand_ins = same[parent] - set(absent)
        found |= stand_ins or _nearest(parent, above, same, absent)
    return found


def siblings(truth: Truth, absent: Collection[str]) -> dict[str, str]:
    """Return models whose only parent is absent without a copy of it being there, and that parent.

    Adapters, merges and copies are left out: they belong to no group, to several, or stand for the parent themselves.
    """
    same = _copies(truth)
    parents: dict[str, set[str]] = defaultdict(set)
    for edge in truth["edges"]:
        parents[edge["child"]].add(edge["parent"])
    found = {}
    for node in truth["nodes"]:
        name, kind = node["id"], node["kind"]
        if name in absent or kind.startswith(("adapter", "merge", *COPIES)) or len(parents[name]) != 1:
            continue
        (parent,) = parents[name]
        if parent in absent and not same[parent] - set(absent) - {name}:
            found[name] = parent
    return found


def pair_counts(groups: Iterable[Collection[str]], parent: Mapping[str, str], others: Collection[str]) -> list[int]:
    """Return pairs rightly grouped, pairs grouped, and pairs of siblings.

    Args:
        groups: What the chart says shares an origin.
        parent: The absent parent of each model that has one.
        others: Models that are not counted, such as adapters.
    """
    grouped = {frozenset(pair) for group in groups for pair in combinations(sorted(set(group) - set(others)), 2)}
    grouped = {pair for pair in grouped if pair & parent.keys()}
    wanted = {frozenset(pair) for pair in combinations(sorted(parent), 2) if parent[pair[0]] == parent[pair[1]]}
    return [len(grouped & wanted), len(grouped), len(wanted)]


def common_origins(prints: Sequence[Fingerprint], edges: Sequence[Edge]) -> list[set[str]]:
    """Return groups of models that share an origin that is not there, by the chart; no adapters, no origins."""
    groups: dict[str, set[str]] = defaultdict(set)
    models = {item.id for item in prints if not item.adapter}
    for edge in above_threshold(edges):
        if is_origin(edge.parent) and edge.child in models:
            groups[edge.parent].add(edge.child)
    return list(groups.values())


def core_neighbours(truth: Truth) -> dict[str, set[str]]:
    """Return for each model outside the core the models among which it is charted: the core and its own ancestors.

    Raises:
        ValueError: The zoo names no core.
    """
    if not truth.get("core"):
        raise ValueError("this zoo names no core family; those of benchmarks.zoo.tools do")
    above: dict[str, set[str]] = defaultdict(set)
    for edge in truth["edges"]:
        above[edge["child"]].add(edge["parent"])
    core, found = set(truth["core"]), {}
    for node in truth["nodes"]:
        if node["id"] in core:
            continue
        among, rest = core | {node["id"]}, [node["id"]]
        while rest:
            new = above[rest.pop()] - among
            among |= new
            rest += new
        found[node["id"]] = among
    return found


def only_child(truth: Truth, child: str, among: Collection[str]) -> dict[str, Any]:
    """Return what is true of one model among others."""
    edges = [edge for edge in truth["edges"] if edge["child"] == child]
    return {**truth, "nodes": [n for n in truth["nodes"] if n["id"] in among], "edges": edges, "roots": []}
