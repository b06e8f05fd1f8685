"""Models with everything above them as one graph, whether they are in an atlas or read from files."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from atlas_db.licenses.audit_graph import AuditGraph, GraphBuilder, known_models, read_ancestry
from atlas_db.licenses.completeness import UnresolvedParent
from atlas_db.lineage.traversal import not_found_error
from atlas_db.store.bolt import Store

if TYPE_CHECKING:
    from atlas_db.licenses.card_model import CardModel


class ModelLineage(NamedTuple):
    """Models and everything above them.

    Attributes:
        graph: The graph. An id that is not in the atlas is a placeholder in it.
        index_of: Index of each model by id.
    """

    graph: AuditGraph
    index_of: dict[str, int]

    @property
    def unresolved(self) -> list[UnresolvedParent]:
        """Parents that models name, and that no edge leads to."""
        return [each for parents in self.graph.unresolved.values() for each in parents]


def require_some_known(store: Store, models: Sequence[str], folders: Sequence[CardModel] = ()) -> set[str]:
    """Return which models the atlas has.

    Args:
        store: The store.
        models: Model ids.
        folders: Models that are read from files; where there are some, no id has to be known.

    Raises:
        EmptyStoreError: The store holds no models, and ids are named.
        ModelNotFoundError: It has none of those named.
    """
    known = known_models(store, models) if models else set()
    if models and not known and not folders:
        raise not_found_error(store, models[0])
    return known


def read_lineage(store: Store, models: Sequence[str], folders: Sequence[CardModel] = ()) -> ModelLineage:
    """Read models with their ancestors and training data.

    Args:
        store: The store.
        models: Model ids.
        folders: Models that are read from files.
    """
    build, names = GraphBuilder(), set(models)
    for folder in folders:
        names |= folder.add_to(build, store)
    graph = read_ancestry(store, names, build)
    index_of = {identifier: index for index, identifier in enumerate(graph.ids[: graph.models])}
    return ModelLineage(graph, index_of)
