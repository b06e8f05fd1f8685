"""Common origins that are not among the models: groups of siblings whose parent is absent.

Models whose chosen parent is more likely no ancestor share an origin with it that is not here (a Steiner point of the
tree). Such an origin is a node without a name. Its id is a digest of its members, so the same models give the same id.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from hashlib import blake2b
from typing import NamedTuple

from atlas_db.core.terms import ORIGIN_PREFIX
from ingest.weights.origins.parent_presence import Presence
from ingest.weights.parameters.origin_parameters import ORIGIN
from ingest.weights.tree.incremental_tree import IncrementalTree


class CommonOrigin(NamedTuple):
    """An origin that is not here.

    Attributes:
        members: Rows of the models that come from it, ascending.
        confidence: Probability that each comes from an absent origin, by row.
        top: The member below which the tree put the others; its parent, if any, is an ancestor of the origin.
    """

    members: tuple[int, ...]
    confidence: dict[int, float]
    top: int


def common_origins(tree: IncrementalTree, presences: Mapping[int, Presence]) -> list[CommonOrigin]:
    """Return the origins that are not here, by their first members.

    Args:
        tree: The tree of a family.
        presences: What is held of each chosen parent, by row of the child.
    """
    absent = {row: each for row, each in presences.items() if each.is_ancestor < ORIGIN.min_ancestor}

    def top_of(row: int) -> int:
        while row in absent:
            row = tree.choices[row].parent
        return row

    groups: dict[int, list[int]] = defaultdict(list)
    for row in absent:
        groups[top_of(row)].append(row)
    found = []
    for first, rows in groups.items():
        confidence = {row: 1 - presences[row].is_ancestor for row in rows}
        if first not in tree.merges:
            confidence[first] = max(confidence.values())
        if len(confidence) > 1:
            found.append(CommonOrigin(tuple(sorted(confidence)), confidence, first))
    return sorted(found)


def origin_id(members: Sequence[str]) -> str:
    """Return the id of an origin: the prefix and 16 hexadecimal digits of a digest of its members' ids."""
    digest = blake2b("\n".join(sorted(members)).encode(), digest_size=8)
    return f"{ORIGIN_PREFIX}{digest.hexdigest()}"
