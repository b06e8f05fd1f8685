"""The graph of an open atlas as tables, as objects of other tools, and as files."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa

from atlas_db.api.results import GraphRows
from atlas_db.core.errors import UsageError
from atlas_db.core.extras import require_extra
from atlas_db.core.terms import Progress
from atlas_db.export.graph_objects import edges_among, to_networkx, to_pyg
from atlas_db.export.graph_tables import LINEAGE, GraphTable, joined_tables, selected, tables_named
from atlas_db.export.write_export import ExportReport, export_graph
from atlas_db.store.bolt import Store
from atlas_db.store.contents import require_models

if TYPE_CHECKING:
    import networkx as nx
    from torch_geometric.data import HeteroData


class GraphAccess:
    """What an atlas offers of its graph as a whole."""

    _store: Store

    def nodes(self, label: str = "Model") -> GraphRows:
        """Return all nodes of a label, one column a property; `table` is Arrow, and `to_frame()` pandas.

        Raises:
            UsageError: There is no such label.
            EmptyStoreError: The store holds no models.

        Examples:
            >>> models = atlas.nodes().to_frame()
            >>> len(models), str(models.created_at.dtype), str(models.downloads.dtype)
            (381, 'datetime64[us, UTC]', 'Int64')
        """
        return self._rows(label, nodes=True)

    def edges(self, kind: str = "DERIVED_FROM") -> GraphRows:
        """Return all edges of a type: `start` and `end`, ids of nodes, and one column a property.

        Args:
            kind: `DERIVED_FROM`, fused lineage from child to parent; `CLAIMS_PARENT`, what each source claims; or
                another type, with both labels where it joins several: `HAS_LICENSE.Model.License`.

        Raises:
            UsageError: There is no such type, or it joins several pairs of labels.
            EmptyStoreError: The store holds no models.

        Examples:
            >>> edges = atlas.edges("CLAIMS_PARENT").to_frame()
            >>> sorted(edges.source.unique())
            ['declared', 'inferred']
        """
        return self._rows(kind, nodes=False)

    def to_networkx(self, *tables: str, models: Iterable[str] | None = None) -> nx.DiGraph:
        """Return a graph of networkx, edges from child to parent (extra `networkx`).

        Args:
            *tables: Labels and relationship types; models and fused lineage by default.
            models: Ids of models, as a query returns them: only these, and the edges among them.

        Returns:
            A DiGraph of fused lineage; a MultiDiGraph where other edges belong to it.

        Raises:
            UsageError: There is no such table, or the extra is missing.

        Examples:
            >>> import networkx as nx
            >>> graph = atlas.to_networkx()
            >>> sorted(nx.descendants(graph, "atlas-demo/tern-chat"))
            ['atlas-demo/tern']
        """
        require_extra("networkx")
        return to_networkx(*self._graph(tables, models))

    def to_pyg(self, *tables: str, models: Iterable[str] | None = None) -> HeteroData:
        """Return a heterogeneous graph of PyTorch Geometric (extra `gnn`).

        Numbers and times (seconds since 1970) are float64, NaN where unknown. Categories are codes, -1 where unknown,
        with their values in `categories`. A node's index is its place in `ids`.

        Args:
            *tables: Labels and relationship types; models and fused lineage by default.
            models: Ids of models: only these, and the edges among them.

        Raises:
            UsageError: There is no such table, or the extra is missing.

        Examples:
            >>> data = atlas.to_pyg()
            >>> data.validate(), data["Model"].num_nodes
            (True, 381)
        """
        require_extra("gnn")
        return to_pyg(*self._graph(tables, models))

    def export(
        self, out: str | Path, to: str = "parquet", *, tables: Sequence[str] = (), progress: Progress = lambda *_: None
    ) -> ExportReport:
        """Write the graph, or a part of it, as files of other tools into a folder, streamed.

        Args:
            out: The folder.
            to: parquet, csv, jsonl, graphml, gexf, networkx or pyg.
            tables: Labels and relationship types; all by default for tables, models and lineage for graphs.
            progress: Called with each table, the nodes done, and their number.

        Raises:
            UsageError: There is no such format or table.
            InputError: The folder cannot be written.
            StoreError: The store failed, or another run wrote to it meanwhile.

        Examples:
            >>> report = atlas.export("tables", "parquet", tables=["DERIVED_FROM"])
            >>> list(report.manifest.files)
            ['DERIVED_FROM.parquet']
        """
        return export_graph(self._store, Path(out), to, tables=tables, progress=progress)

    def _rows(self, name: str, *, nodes: bool) -> GraphRows:
        found = tables_named([name])
        if len(found) > 1 or found[0].nodes != nodes:
            names = [
                table.name for table in tables_named([]) if table.nodes == nodes and (len(found) == 1 or table in found)
            ]
            what = "is no label of nodes" if nodes else "is no one type of edges"
            raise UsageError(f"{name} {what}", hint=f"Name one of: {', '.join(names)}")
        require_models(self._store)
        return GraphRows(found[0].name, pa.Table.from_batches(found[0].stream(self._store), found[0].schema))

    def _graph(self, names: Sequence[str], models: Iterable[str] | None) -> list[dict[GraphTable, pa.Table]]:
        nodes, edges = joined_tables(tables_named(names or LINEAGE))
        require_models(self._store)
        ids = None if models is None else list(dict.fromkeys(models))

        def read(table: GraphTable) -> pa.Table:
            batches = table.stream(self._store) if ids is None else selected(self._store, table, ids)
            return pa.Table.from_batches(batches, table.schema)

        found = {table: read(table) for table in nodes}
        return [found, edges_among(found, {table: read(table) for table in edges})]
