"""The graph schema, declared once.

Constraints, indexes, UNWIND statements (`store/statements.py`), headers of offline files
(`store/bulk/import_files.py`) and `SCHEMA.md` are all derived from the value `SCHEMA` below. Print the page with
`atlas-db schema --markdown`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from atlas_db.core.errors import UsageError, did_you_mean

PropertyType = Literal["string", "integer", "float", "boolean", "string[]"]


@dataclass(frozen=True, slots=True)
class Property:
    """One property of a node or relationship.

    Attributes:
        name: Its name in the graph; the Hub's spelling where the Hub has one.
        type: Neo4j type; dates are ISO 8601 strings in UTC, so that they sort and travel between engines.
        description: Its meaning.
        unit: Unit, empty where there is none.
        indexed: True where a secondary index is kept.
    """

    name: str
    type: PropertyType
    description: str
    unit: str = ""
    indexed: bool = False


@dataclass(frozen=True, slots=True)
class NodeType:
    """One node label. `id` is always its key, unique within the label."""

    label: str
    description: str
    properties: tuple[Property, ...]

    @property
    def names(self) -> frozenset[str]:
        """Names of all properties."""
        return frozenset(prop.name for prop in self.properties)


@dataclass(frozen=True, slots=True)
class RelationshipType:
    """One relationship type between given labels.

    Attributes:
        type: The name in the graph.
        ends: Pairs (source label, target label) that it may join.
        key: Properties that, with both ends, identify one relationship.
        claim: True where it carries an attribute claim.
    """

    type: str
    ends: tuple[tuple[str, str], ...]
    description: str
    properties: tuple[Property, ...] = ()
    key: tuple[str, ...] = ()
    claim: bool = False

    @property
    def names(self) -> frozenset[str]:
        """Names of all properties."""
        return frozenset(prop.name for prop in self.properties)


@dataclass(frozen=True, slots=True)
class Schema:
    """All node labels and relationship types of one version."""

    version: int
    nodes: tuple[NodeType, ...]
    relationships: tuple[RelationshipType, ...]

    def node(self, label: str) -> NodeType:
        """Return the node type of a label.

        Raises:
            UsageError: There is none; the nearest label is suggested.
        """
        for node in self.nodes:
            if node.label == label:
                return node
        raise _unknown("node label", label, [node.label for node in self.nodes])

    def relationship(self, name: str) -> RelationshipType:
        """Return the relationship type of a name.

        Raises:
            UsageError: There is none; the nearest name is suggested.
        """
        for relationship in self.relationships:
            if relationship.type == name:
                return relationship
        raise _unknown("relationship type", name, [relationship.type for relationship in self.relationships])

    @property
    def claims(self) -> tuple[RelationshipType, ...]:
        """The relationship types that carry attribute claims."""
        return tuple(rel for rel in self.relationships if rel.claim)


def _unknown(kind: str, name: str, known: Sequence[str]) -> UsageError:
    hint = did_you_mean(name, known, similar=0.3) or f"Known: {', '.join(known)}"
    return UsageError(f"the schema has no {kind} {name!r}", hint=hint)


def _id(description: str) -> Property:
    return Property("id", "string", description)


_SEEN = (
    Property("first_seen", "string", "Date of the oldest snapshot that states it", "date"),
    Property("last_seen", "string", "Date of the newest snapshot that states it", "date"),
)
_BOOKKEEPING = (
    Property("snapshots", "string[]", "Snapshots that held a record of it, as part@date"),
    Property("carried_forward", "string[]", "Properties whose value is older than last_seen, as name=date"),
    Property("record_digest", "string", "Digest of the newest record, for skipping unchanged ones"),
)
_CLAIM = (
    Property("source", "string", "declared, inferred or predicted"),
    Property("confidence", "float", "Confidence of the source", "0..1"),
    Property("method", "string", "Method that read or computed it, as name@version"),
    Property("run_id", "string", "The run that wrote it"),
    *_SEEN,
    Property(
        "valid_to", "string", "Date of the first later snapshot that no longer states it; absent while live", "date"
    ),
    Property(
        "stated_in",
        "string",
        "Dates of each part, where several state it: part:first..last, joined by ;",
    ),
    Property("evidence", "string", "Of a prediction: the groups that declare the value, how many of how many (JSON)"),
)
_REPOSITORY = (
    Property("author", "string", "Owner part of the id", indexed=True),
    Property("name", "string", "Repository part of the id"),
    Property("created_at", "string", "Creation; absent where the Hub gives its unknown-date stamp", "ISO 8601, UTC"),
    Property("last_modified", "string", "Last change of the repository", "ISO 8601, UTC"),
    Property("downloads", "integer", "Downloads of the last 30 days", "downloads", indexed=True),
    Property("likes", "integer", "Likes", "likes"),
    Property("gated", "string", "false, auto or manual; absent where unknown"),
    Property("private", "boolean", "True for a private repository"),
    Property("disabled", "boolean", "True for a repository that the Hub disabled"),
    Property("sha", "string", "Git revision that the newest record describes"),
    Property(
        "license", "string", "Declared licence (the first in tag order), for reading; claims are edges", indexed=True
    ),
    Property(
        "licenses_as_written", "string[]", "Licences as their author wrote them, where their ids lost capital letters"
    ),
    Property("tags", "string[]", "Plain tags: those that no claim or other property repeats"),
    Property("placeholder", "boolean", "True where models name it but no record of it was loaded", indexed=True),
)

_MODEL = NodeType(
    "Model",
    "A model repository, or the name of one without a record (a placeholder)",
    (
        _id("Hub id, owner/name; for a placeholder the name as written"),
        *_REPOSITORY,
        Property("pipeline_tag", "string", "Declared task, for reading; claims are edges", indexed=True),
        Property("library_name", "string", "Declared library, for reading; claims are edges"),
        Property("model_type", "string", "Architecture family of config.json, for reading; claims are edges"),
        Property("num_params", "integer", "Parameters, from the safetensors header", "parameters"),
        Property("base_model", "string[]", "Names of the parents as written and still stated"),
        Property("declared_parents", "string", "Every name of a parent ever stated, with relation and dates (JSON)"),
        Property("license_name", "string", "Name given with license: other"),
        Property("license_link", "string", "Link given with license: other"),
        Property(
            "license_files", "string[]", "Licence and notice files of the repository; absent where files are unknown"
        ),
        Property("card_sha256", "string", "SHA-256 of the model card's text"),
        Property("card_length", "integer", "Length of the model card without front matter", "characters"),
        Property("card_template", "string", "Tool whose template the card's text shows; empty where none is known"),
        Property(
            "weights_declared_parents", "string", "Parents that the files beside its weights name, with dates (JSON)"
        ),
        Property("weights_family", "string", "Id of the root of the family that the newest chart put its weights in"),
        Property("weights_hash", "string", "Hash of tensor names, sides and sampled values; equal for copies"),
        Property(
            "behaviour_cluster",
            "string",
            "Id of the first model of its behaviour cluster, with equal answers to fixed inputs",
        ),
        Property(
            "weights_architecture", "string", "Hash of the names and shapes of its tensors; equal in one architecture"
        ),
        Property("weights_layers", "integer", "Layers that the names of its tensors number", "layers"),
        Property("weights_elements", "integer", "Elements of its blocks and its input embedding", "elements"),
        Property("weights_bytes", "integer", "Size of its weight files", "bytes"),
        Property("weights_dtype", "string", "Type of most elements"),
        Property("weights_run_id", "string", "The chart that wrote its behaviour cluster and what begins with weights"),
        Property("audit_verdict", "string", "Worst verdict of the newest audit"),
        Property("audit_findings", "integer", "Findings of the newest audit", "findings"),
        Property("audit_run_id", "string", "The audit that wrote the two above"),
        *_SEEN,
        *_BOOKKEEPING,
    ),
)
_DATASET = NodeType(
    "Dataset",
    "A dataset, as a model or the Hub's dataset list names it",
    (_id("Hub id as declared"), *_REPOSITORY, *_SEEN, *_BOOKKEEPING),
)
_LICENSE = NodeType(
    "License",
    "A licence id of the Hub",
    (
        _id("Hub id, lower case, as declared"),
        Property("spdx_id", "string", "SPDX identifier or expression, where the SPDX list has one"),
        Property("canonical", "string", "The id this one is an alias of, or the canonical text of an expression"),
        Property("parts", "string[]", "Ids of the licences in an expression; absent for a single licence"),
    ),
)


def _value(label: str, description: str, id_description: str) -> NodeType:
    return NodeType(label, description, (_id(id_description),))


_NODES = (
    _MODEL,
    _DATASET,
    _value("Author", "A user or organisation", "Name of the account"),
    _LICENSE,
    _value("Task", "A task (pipeline_tag)", "Hub id of the task"),
    _value("Library", "A library (library_name)", "Hub id of the library"),
    _value("Architecture", "An architecture family (model_type of config.json)", "Name as config.json spells it"),
    _value("Relation", "How a model is made from its parents (base_model_relation)", "Relation as the Hub names it"),
    _value("Language", "A language", "Language code as declared (ISO 639, or the Hub's code and multilingual)"),
    _value("Paper", "A paper on arXiv", "arXiv identifier without version"),
    NodeType(
        "Run",
        "One load, chart, completion or audit. Outside of what is compared between graphs",
        (
            _id("Run id"),
            Property("kind", "string", "load, chart, completion or audit"),
            Property("started", "string", "Clock time of the start", "ISO 8601, UTC"),
            Property("finished", "string", "Clock time of the end", "ISO 8601, UTC"),
            Property("complete", "boolean", "False while running, or where it was killed"),
            Property("parameters", "string", "Parameters (JSON)"),
            Property("counts", "string", "Counts (JSON)"),
        ),
    ),
    NodeType(
        "Atlas",
        "One node that identifies this store",
        (
            _id("Always 'atlas'"),
            Property("schema_version", "integer", "Version of this schema"),
            Property("store_id", "string", "Random name of this store; undo files carry it"),
        ),
    ),
)
_LINEAGE_CLAIM = (
    Property("relation", "string", "finetune, adapter, quantized, merge or duplicate", indexed=True),
    *_CLAIM[:-1],
    Property("mention", "string", "Name of the parent as its author wrote it"),
    Property("resolution", "string", "exact, case, renamed, ambiguous, absent, self_loop or cycle", indexed=True),
    Property("evidence", "string", "Evidence for the confidence (JSON)"),
)
_FUSED = (
    Property("relation", "string", "finetune, adapter, quantized, merge or duplicate", indexed=True),
    Property("confidence", "float", "Confidence after fusion of all sources", "0..1"),
    Property("status", "string", "verified, declared, undeclared, predicted or contradicted", indexed=True),
    Property("sources", "string[]", "Sources that state it"),
    Property("active", "boolean", "True for all but contradicted edges: traversals take {active: true}"),
)
_FINDING = (
    Property("finding", "string", "Kind of finding"),
    Property("verdict", "string", "needs_review or violation", indexed=True),
    Property("rule", "string", "Rule that applies"),
    Property("clause", "string", "Clause that the rule cites"),
    Property("profile", "string", "Rule profile"),
    Property("hops", "integer", "Steps between the two", "edges"),
    Property("confidence", "float", "Least confidence on the path", "0..1"),
    Property("run_id", "string", "The audit that wrote it"),
)
_LICENSE_RULE = (
    Property("relation", "string", "Relation between child and ancestor; trained_on for a dataset"),
    Property(
        "child_unlicensed",
        "boolean",
        "True on the ruling for a child that declares nothing: it joins a licence to itself",
    ),
    Property("profile", "string", "Rule profile"),
    Property("verdict", "string", "Verdict of the pair"),
    Property("finding", "string", "Kind of finding"),
    Property("rule", "string", "Rule"),
    Property("clause", "string", "Clause"),
)


def _claim(name: str, ends: tuple[tuple[str, str], ...], description: str) -> RelationshipType:
    return RelationshipType(name, ends, description, _CLAIM, ("source",), claim=True)


SCHEMA = Schema(
    version=3,
    nodes=_NODES,
    relationships=(
        RelationshipType(
            "PUBLISHED_BY", (("Model", "Author"), ("Dataset", "Author")), "Follows from the id; carries nothing"
        ),
        _claim("HAS_LICENSE", (("Model", "License"), ("Dataset", "License")), "Licence claim"),
        _claim("HAS_TASK", (("Model", "Task"),), "Task claim"),
        _claim("USES_LIBRARY", (("Model", "Library"),), "Library claim"),
        _claim("HAS_ARCHITECTURE", (("Model", "Architecture"),), "Architecture claim"),
        _claim("HAS_RELATION", (("Model", "Relation"),), "Claim of the relation to its parents, typed by the author"),
        _claim("IN_LANGUAGE", (("Model", "Language"),), "Language claim"),
        _claim("TRAINED_ON", (("Model", "Dataset"),), "Training data claim"),
        _claim("CITES", (("Model", "Paper"),), "Citation claim"),
        RelationshipType(
            "CLAIMS_PARENT",
            (("Model", "Model"),),
            "One source's claim that the child comes from the parent",
            _LINEAGE_CLAIM,
            ("source", "method"),
        ),
        RelationshipType(
            "DERIVED_FROM", (("Model", "Model"),), "The atlas: child to parent, fused from the claims that hold", _FUSED
        ),
        RelationshipType(
            "CONFLICTS_WITH",
            (("Model", "Model"), ("Model", "Dataset")),
            "Finding of an audit, from the child to the ancestor or dataset whose own licence sets the term",
            _FINDING,
            ("rule",),
        ),
        RelationshipType(
            "LICENSE_RULE",
            (("License", "License"),),
            "Resolved licence rule, child's licence to ancestor's",
            _LICENSE_RULE,
            ("relation", "child_unlicensed"),
        ),
    ),
)

RUN_PROPERTIES = {
    "audit_run_id": ("audit_verdict", "audit_findings"),
    "weights_run_id": (
        "weights_family", "weights_hash", "weights_architecture", "weights_layers", "weights_elements",
        "weights_bytes", "weights_dtype", "weights_declared_parents", "behaviour_cluster",
    ),
}  # fmt: skip
"""Properties of models that an audit or a chart writes, by the property that names the run."""


def markdown(schema: Schema = SCHEMA) -> str:
    """Return the page SCHEMA.md: a Mermaid picture, then one table for each node label and relationship type."""
    lines = [
        "# The graph",
        "",
        f"Schema version {schema.version}. Generated from `atlas_db/core/schema.py` by `atlas-db schema --markdown`: "
        "change it there.",
        "",
        "```mermaid",
        "graph LR",
    ]
    lines += [f"  {source} -- {rel.type} --> {target}" for rel in schema.relationships for source, target in rel.ends]
    lines += [
        "```",
        "",
        "Dates and times are ISO 8601 strings in UTC: `datetime(m.created_at).year` works on both engines.",
        "",
    ]
    for node in schema.nodes:
        lines += [f"## ({node.label})", "", f"{node.description}. Key: `id`.", "", *_table(node.properties), ""]
    for rel in schema.relationships:
        ends = " and ".join(f"({source}) to ({target})" for source, target in rel.ends)
        key = f" One a pair{''.join(f' and `{name}`' for name in rel.key)}."
        lines += [f"## [{rel.type}]", "", f"{ends}. {rel.description}.{key}", ""]
        if rel.properties:
            lines += [*_table(rel.properties), ""]
    return "\n".join(lines).rstrip() + "\n"


def _table(properties: tuple[Property, ...]) -> list[str]:
    rows = [
        f"| `{p.name}` | {p.type} | {p.unit} | {'yes' if p.indexed or p.name == 'id' else ''} | {p.description} |"
        for p in properties
    ]
    return ["| property | type | unit | indexed | meaning |", "|---|---|---|---|---|", *rows]
