"""Results of the Python interface: immutable records, each tabular one with `to_frame()`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from html import escape
from typing import TYPE_CHECKING, Any, Self

import msgspec
import pyarrow as pa

from atlas_db.columnar.typed_columns import data_frame, table_frame
from atlas_db.lineage.traversal import STEPS, Lineage, LineageStep, degree_summary
from ingest.weights.probes.cka_similarity import Similarity
from ingest.weights.tree.edge import Edge

if TYPE_CHECKING:
    import pandas as pd

    from gnn.inference.predictions import Completion

SHOWN_ROWS = 20
"""Rows of a table that a notebook shows."""
EDGE_COLUMNS = ("child", "parent", "relation", "confidence", "evidence")


def html_table(columns: Sequence[str], rows: Sequence[Mapping[str, Any]], total: int | None = None) -> str:
    """Return the first rows as an HTML table, every value escaped; `total` where there are more rows than these."""
    head = "".join(f"<th>{escape(name)}</th>" for name in columns)
    body = "".join(
        "<tr>" + "".join(f"<td>{escape(str(row.get(name, '')))}</td>" for name in columns) + "</tr>"
        for row in rows[:SHOWN_ROWS]
    )
    total = len(rows) if total is None else total
    more = f"<p>{total:,} rows</p>" if total > SHOWN_ROWS else ""
    return f"<table><tr>{head}</tr>{body}</table>{more}"


@dataclass(frozen=True, slots=True)
class ResultTable:
    """Rows of a query; iterating yields them.

    Attributes:
        columns: Names of the columns, in order.
        rows: Values by column, one mapping a row.
    """

    columns: tuple[str, ...]
    rows: tuple[dict[str, Any], ...]

    def __len__(self) -> int:
        return len(self.rows)

    def __iter__(self) -> Iterator[dict[str, Any]]:
        return iter(self.rows)

    def __repr__(self) -> str:
        return f"<ResultTable of {len(self.rows):,} rows: {', '.join(self.columns)}>"

    def _repr_html_(self) -> str:
        return html_table(self.columns, self.rows)

    def column(self, name: str) -> list[Any]:
        """Return the values of one column.

        Raises:
            KeyError: There is no such column.
        """
        if name not in self.columns:
            raise KeyError(name)
        return [row.get(name) for row in self.rows]

    def to_frame(self) -> pd.DataFrame:
        """Return the rows as a data frame (extra `analysis`)."""
        return data_frame(self.rows, self.columns)


@dataclass(frozen=True, slots=True, eq=False)
class GraphRows:
    """All nodes of a label, or all edges of a type.

    Attributes:
        name: Label or relationship type.
        table: The rows as an Arrow table, with dates and times; other data frames read it as it is.
    """

    name: str
    table: pa.Table

    @property
    def columns(self) -> tuple[str, ...]:
        """Names of the columns."""
        return tuple(self.table.column_names)

    def __len__(self) -> int:
        return len(self.table)

    def to_frame(self) -> pd.DataFrame:
        """Return a data frame: whole numbers that may be missing, datetimes (extra `analysis`)."""
        return table_frame(self.table)

    def __repr__(self) -> str:
        return f"<GraphRows of {self.name}: {len(self):,} rows, {len(self.columns)} columns>"

    def _repr_html_(self) -> str:
        return html_table(self.columns, self.table.slice(0, SHOWN_ROWS).to_pylist(), len(self))


@dataclass(frozen=True, slots=True)
class StoreSummary:
    """Contents of a store.

    Attributes:
        store: The store as it was named.
        address: Bolt address.
        models: Models with a record.
        placeholders: Models that others name, without a record.
        edges: Edges of lineage.
        newest_run: Id of the newest run; None where there is none.
    """

    store: str
    address: str
    models: int
    placeholders: int
    edges: int
    newest_run: str | None


@dataclass(frozen=True, slots=True)
class ModelRecord:
    """A model as its newest record describes it; None where the Hub states nothing.

    Attributes:
        id: Hub id, owner/name.
        placeholder: True where no record of it was loaded.
        license: Declared licence; the first where several are declared.
        pipeline_tag: Declared task.
        library_name: Declared library.
        model_type: Architecture family of config.json.
        created_at: Time of creation, ISO 8601 in UTC.
        downloads: Downloads of the last 30 days.
        likes: Likes.
        num_params: Number of parameters.
        audit_verdict: Worst verdict of the newest audit.
        properties: All properties of the node, by the names of the schema.
    """

    id: str
    placeholder: bool
    license: str | None
    pipeline_tag: str | None
    library_name: str | None
    model_type: str | None
    created_at: str | None
    downloads: int | None
    likes: int | None
    num_params: int | None
    audit_verdict: str | None
    properties: Mapping[str, Any]

    @classmethod
    def of(cls, properties: Mapping[str, Any]) -> Self:
        """Return the record of a node with these properties."""
        stated: dict[str, Any] = {name: properties.get(name) for name in cls.__slots__}
        return cls(**stated | {"placeholder": bool(stated["placeholder"]), "properties": dict(properties)})

    def to_frame(self) -> pd.DataFrame:
        """Return all properties as a data frame: `property`, `value` (extra `analysis`)."""
        rows = [{"property": name, "value": value} for name, value in self.properties.items()]
        return data_frame(rows, ("property", "value"))


@dataclass(frozen=True, slots=True)
class LineageResult:
    """A model with its ancestors and descendants; in a notebook, a table.

    Attributes:
        model: The model.
        ancestors: Edges upwards, the nearest first.
        descendants: Edges downwards, the nearest first, then by downloads.
        counts: Direct parents and children; all ancestors and descendants within the depth; children by relation.
    """

    model: ModelRecord
    ancestors: tuple[LineageStep, ...]
    descendants: tuple[LineageStep, ...]
    counts: Mapping[str, Any]

    @classmethod
    def of(cls, found: Lineage) -> Self:
        """Return a traversal's result."""
        return cls(ModelRecord.of(found.model), tuple(found.ancestors), tuple(found.descendants), found.counts)

    def rows(self) -> list[dict[str, Any]]:
        """Return all edges as mappings, ancestors (`direction` up) before descendants (`direction` down)."""
        ways = [("up", step) for step in self.ancestors] + [("down", step) for step in self.descendants]
        return [{"direction": way, **asdict(step)} for way, step in ways]

    def to_frame(self) -> pd.DataFrame:
        """Return one row an edge (extra `analysis`); `license` and `downloads` are the far end's."""
        return data_frame(self.rows(), STEPS)

    def __repr__(self) -> str:
        return f"<Lineage of {self.model.id}: {degree_summary(self.counts)}>"

    def _repr_html_(self) -> str:
        facts = ", ".join(value for value in (self.model.license, self.model.pipeline_tag) if value)
        return f"<b>{escape(self.model.id)}</b> {escape(facts)}{html_table(STEPS, self.rows())}"


@dataclass(frozen=True, slots=True)
class BillOfMaterials:
    """A CycloneDX bill of materials.

    Attributes:
        model: Model id.
        spec: Version of CycloneDX.
        document: The bill as JSON values.
    """

    model: str
    spec: str
    document: Mapping[str, Any]

    @property
    def components(self) -> list[dict[str, Any]]:
        """The model's ancestors and their training data, as components of the document."""
        return list(self.document.get("components", ()))

    def to_json(self) -> str:
        """Return the document as text."""
        return msgspec.json.format(msgspec.json.encode(self.document), indent=2).decode()

    def to_frame(self) -> pd.DataFrame:
        """Return one row a component: `reference`, `type`, `name`, `licenses` (extra `analysis`)."""
        rows = [
            {
                "reference": each.get("bom-ref"),
                "type": each.get("type"),
                "name": each.get("name"),
                "licenses": [
                    entry.get("expression") or entry["license"].get("id") or entry["license"].get("name")
                    for entry in each.get("licenses", ())
                ],
            }
            for each in self.components
        ]
        return data_frame(rows, ("reference", "type", "name", "licenses"))


@dataclass(frozen=True, slots=True)
class AttributeCompletion:
    """Completion of one attribute.

    Attributes:
        attribute: The attribute, as the Hub spells it.
        missing: Models that do not declare it.
        predicted: Those of them that a value is predicted for.
        threshold: Confidence from which a value is written; None where nothing was learned.
        trained: True where its model was fitted in this run; otherwise it came from a checkpoint.
        skipped: Reason for predicting nothing; empty where there is none.
    """

    attribute: str
    missing: int
    predicted: int
    threshold: float | None
    trained: bool
    skipped: str


@dataclass(frozen=True, slots=True)
class CompletionResult:
    """Counts of a completion.

    Attributes:
        run_id: Id of the run that wrote the claims; empty for a dry run.
        written: Claims written.
        attributes: One entry an attribute.
    """

    run_id: str
    written: int
    attributes: tuple[AttributeCompletion, ...]

    @classmethod
    def of(cls, report: Completion) -> Self:
        """Return the counts that the completion of a store reports."""
        names = dict.fromkeys((*report.missing, *report.skipped))
        return cls(
            report.run_id,
            report.written,
            tuple(
                AttributeCompletion(
                    name,
                    report.missing.get(name, 0),
                    report.predicted.get(name, 0),
                    report.thresholds.get(name),
                    name in report.trained,
                    report.skipped.get(name, ""),
                )
                for name in names
            ),
        )

    def to_frame(self) -> pd.DataFrame:
        """Return one row an attribute (extra `analysis`)."""
        return data_frame(map(asdict, self.attributes), AttributeCompletion.__slots__)


@dataclass(frozen=True, slots=True)
class ChartResult:
    """Inferred edges of lineage.

    Attributes:
        edges: Edges from child to parent, with relation, confidence 0..1 and evidence.
    """

    edges: tuple[Edge, ...]

    def to_frame(self) -> pd.DataFrame:
        """Return one row an edge: `child`, `parent`, `relation`, `confidence`, `evidence` (extra `analysis`)."""
        return data_frame((msgspec.to_builtins(edge) for edge in self.edges), EDGE_COLUMNS)


@dataclass(frozen=True, slots=True)
class ChartWriteResult:
    """Changes that a chart made, or would make, to a store.

    Attributes:
        run_id: Id of the run; empty for a dry run.
        created: Claims and fused edges created.
        changed: Claims and fused edges changed.
        removed: Claims and fused edges removed.
        edges_by_status: Fused edges of the charted models, by status.
    """

    run_id: str
    created: int
    changed: int
    removed: int
    edges_by_status: Mapping[str, int]

    @classmethod
    def of(cls, counts: Mapping[str, Any]) -> Self:
        """Return the counts that writing a chart reports."""
        by_status = dict(counts)
        run_id = by_status.pop("run_id", "")
        created, changed, removed = (by_status.pop(name, 0) for name in ("created", "changed", "removed"))
        return cls(run_id, created, changed, removed, by_status)


@dataclass(frozen=True, slots=True)
class SimilarModels:
    """Models that compute nearly what one model computes.

    Attributes:
        model: Id of the model that the others are compared with.
        matches: The others, the most similar first.
    """

    model: str
    matches: tuple[Similarity, ...]

    def to_frame(self) -> pd.DataFrame:
        """Return one row a model (extra `analysis`)."""
        return data_frame((each._asdict() for each in self.matches), Similarity._fields)
