"""Schema to Cypher, pure: every statement that writes the graph is made here, from the schema alone.

Values travel as parameters only. Labels, types and property names come from `SCHEMA` and from nowhere else, so
no input can reach the text of a statement.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

from atlas_db.core.errors import UsageError
from atlas_db.core.schema import SCHEMA, RelationshipType, Schema


@dataclass(frozen=True, slots=True)
class Statement:
    """The text of one Cypher statement: a constant, a shipped query, or made in this module from the schema."""

    text: str


def constraints(schema: Schema = SCHEMA) -> tuple[Statement, ...]:
    """Uniqueness of `id` for each node label."""
    return tuple(
        Statement(f"CREATE CONSTRAINT IF NOT EXISTS FOR (n:{node.label}) REQUIRE n.id IS UNIQUE")
        for node in schema.nodes
    )


def indexes(schema: Schema = SCHEMA) -> tuple[Statement, ...]:
    """Secondary indexes of node properties."""
    return tuple(
        Statement(f"CREATE INDEX IF NOT EXISTS FOR (n:{node.label}) ON (n.{prop.name})")
        for node in schema.nodes
        for prop in node.properties
        if prop.indexed
    )


@cache
def create_nodes(label: str) -> Statement:
    """`$rows` of property maps become new nodes."""
    SCHEMA.node(label)
    return Statement(f"UNWIND $rows AS row CREATE (n:{label}) SET n = row")


@cache
def merge_nodes(label: str) -> Statement:
    """`$rows` of `{id, set}`: each node is found or created; `set` replaces the properties it names (null removes)."""
    SCHEMA.node(label)
    return Statement(f"UNWIND $rows AS row MERGE (n:{label} {{id: row.id}}) SET n += row.set")


@cache
def ensure_nodes(label: str) -> Statement:
    """`$rows` of property maps: a missing node is created; an existing one is unchanged."""
    SCHEMA.node(label)
    return Statement(f"UNWIND $rows AS row MERGE (n:{label} {{id: row.id}}) ON CREATE SET n = row")


@cache
def replace_nodes(label: str) -> Statement:
    """`$rows` of full property maps: each node gets exactly these properties."""
    SCHEMA.node(label)
    return Statement(f"UNWIND $rows AS row MERGE (n:{label} {{id: row.id}}) SET n = row")


@cache
def delete_nodes(label: str) -> Statement:
    """`$rows` of ids: the nodes are deleted with their edges."""
    SCHEMA.node(label)
    return Statement(f"UNWIND $rows AS id MATCH (n:{label} {{id: id}}) DETACH DELETE n")


@cache
def create_edges(
    rel: str, source: str, target: str, names: tuple[str, ...] = (), common: tuple[str, ...] = ()
) -> Statement:
    """`$rows` of `[source id, target id, value of names[0], …]` become new edges.

    Args:
        rel: Relationship type.
        source: Label of the start.
        target: Label of the end.
        names: Properties that differ from row to row, in the order of the row.
        common: Properties that are equal in all rows; they are sent once, in `$common`.
    """
    _check(rel, source, target, (*names, *common))
    props = [f"{name}: row[{place + 2}]" for place, name in enumerate(names)]
    props += [f"{name}: $common.{name}" for name in common]
    body = f" {{{', '.join(props)}}}" if props else ""
    return Statement(
        f"UNWIND $rows AS row MATCH (a:{source} {{id: row[0]}}) MATCH (b:{target} {{id: row[1]}}) "
        f"CREATE (a)-[:{rel}{body}]->(b)"
    )


@cache
def set_nodes(label: str, names: tuple[str, ...]) -> Statement:
    """`$rows` of `[id, value of names[0], …]`: existing nodes get these properties (null removes)."""
    _names(SCHEMA.node(label).names, names)
    # The local engine writes the node anew for each property that is set by itself.
    props = ", ".join(f"{name}: row[{place}]" for place, name in enumerate(names, 1))
    return Statement(f"UNWIND $rows AS row MATCH (n:{label} {{id: row[0]}}) SET n += {{{props}}}")


@cache
def clear_edges(rel: str, source: str, target: str) -> Statement:
    """Delete at most `$limit` edges of a type; returns their number as `n`."""
    _check(rel, source, target, ())
    return Statement(f"MATCH (:{source})-[r:{rel}]->(:{target}) WITH r LIMIT $limit DELETE r RETURN count(*) AS n")


@cache
def merge_edges(rel: str, source: str, target: str) -> Statement:
    """`$rows` of `{a, b, key, set}`: found by both ends and its key, or created; `set` replaces all properties."""
    kind = _check(rel, source, target, ())
    key = ", ".join(f"{name}: row.set.{name}" for name in kind.key)
    return Statement(
        f"UNWIND $rows AS row MATCH (a:{source} {{id: row.a}}) MATCH (b:{target} {{id: row.b}}) "
        f"MERGE (a)-[r:{rel}{f' {{{key}}}' if key else ''}]->(b) SET r = row.set"
    )


@cache
def delete_edges(rel: str, source: str, target: str) -> Statement:
    """`$rows` of `{a, b, set}`: the edges between both ends with that key are deleted."""
    kind = _check(rel, source, target, ())
    where = " AND ".join(f"r.{name} = row.set.{name}" for name in kind.key)
    return Statement(
        f"UNWIND $rows AS row MATCH (a:{source} {{id: row.a}})-[r:{rel}]->(b:{target} {{id: row.b}}) "
        f"{f'WHERE {where} ' if where else ''}DELETE r"
    )


@cache
def read_nodes(label: str) -> Statement:
    """`$ids`: the nodes of these ids with all properties, as `id, props`."""
    SCHEMA.node(label)
    return Statement(f"UNWIND $ids AS id MATCH (n:{label} {{id: id}}) RETURN n.id AS id, properties(n) AS props")


@cache
def read_edges(rel: str, source: str, target: str) -> Statement:
    """`$ids`: all edges of that type that leave these nodes, as `a, b, props`."""
    _check(rel, source, target, ())
    return Statement(
        f"UNWIND $ids AS id MATCH (a:{source} {{id: id}})-[r:{rel}]->(b:{target}) "
        "RETURN a.id AS a, b.id AS b, properties(r) AS props"
    )


@cache
def edges_of_run(rel: str, source: str, target: str) -> Statement:
    """`$run`: the edges that a run wrote, as `a, b, props`."""
    _check(rel, source, target, ("run_id",))
    return Statement(
        f"MATCH (a:{source})-[r:{rel}]->(b:{target}) WHERE r.run_id = $run "
        "RETURN a.id AS a, b.id AS b, properties(r) AS props"
    )


@cache
def all_nodes(label: str, names: tuple[str, ...], having: str = "", *, with_position: bool = False) -> Statement:
    """Chosen properties of all nodes of a label, as rows of `page`: lists of value lists (fast over Bolt).

    Args:
        label: Node label.
        names: Properties, in the order of the value lists.
        having: Only nodes that have this property.
        with_position: Append the engine's element id, for `storage_order`.
    """
    _names(SCHEMA.node(label).names, (*names, *([having] if having else [])))
    values = ", ".join([*(f"n.{name}" for name in names), *(["elementId(n)"] if with_position else [])])
    where = f"WHERE n.{having} IS NOT NULL " if having else ""
    return Statement(
        f"MATCH (n:{label}) {where}WITH toInteger(rand() * 64) AS slice, [{values}] AS v "
        "RETURN slice, collect(v) AS page"
    )


def storage_order(element_id: str) -> tuple[str, int]:
    """Sort key of an element id, in the order in which the engine stores nodes.

    Writes in this order touch few pages per transaction. On the local engine this halves the time to write a property
    to every node.
    """
    bucket, _, position = element_id.rpartition(":")
    return bucket, int(position)


@cache
def all_edges(rel: str, source: str, target: str, names: tuple[str, ...], matching: tuple[str, ...] = ()) -> Statement:
    """Both ends and chosen properties of all edges of a type, as rows of `page`.

    Args:
        rel: Relationship type.
        source: Label of the start.
        target: Label of the end.
        names: Properties to return.
        matching: Properties that must equal the parameters of their names.
    """
    _check(rel, source, target, (*names, *matching))
    only = f" {{{', '.join(f'{name}: ${name}' for name in matching)}}}" if matching else ""
    values = ", ".join(["a.id", "b.id", *(f"r.{name}" for name in names)])
    return Statement(
        f"MATCH (a:{source})-[r:{rel}{only}]->(b:{target}) "
        f"WITH toInteger(rand() * 64) AS slice, [{values}] AS v RETURN slice, collect(v) AS page"
    )


@cache
def some_nodes(label: str, names: tuple[str, ...]) -> Statement:
    """Chosen properties of `$count` nodes of a label after the first `$skip`, as rows of `page`, as `all_nodes`."""
    _names(SCHEMA.node(label).names, names)
    values = ", ".join(f"n.{name}" for name in names)
    return Statement(
        f"MATCH (n:{label}) WITH n SKIP $skip LIMIT $count WITH toInteger(rand() * 16) AS slice, [{values}] AS v "
        "RETURN slice, collect(v) AS page"
    )


@cache
def some_edges(rel: str, source: str, target: str, names: tuple[str, ...]) -> Statement:
    """Edges of a type that leave `$count` nodes after the first `$skip`, as rows of `page`, as `all_edges`."""
    _check(rel, source, target, names)
    values = ", ".join(["a.id", "b.id", *(f"r.{name}" for name in names)])
    return Statement(
        f"MATCH (a:{source}) WITH a SKIP $skip LIMIT $count MATCH (a)-[r:{rel}]->(b:{target}) "
        f"WITH toInteger(rand() * 16) AS slice, [{values}] AS v RETURN slice, collect(v) AS page"
    )


@cache
def live_claims(rels: tuple[str, ...]) -> Statement:
    """`$id` of a model: its live claims of some types, as `rel`, `value` and properties."""
    for rel in rels:
        SCHEMA.relationship(rel)
    return Statement(
        f"MATCH (m:Model {{id: $id}})-[r:{'|'.join(rels)}]->(v) WHERE r.valid_to IS NULL "
        "RETURN type(r) AS rel, v.id AS value, r.source AS source, r.confidence AS confidence, r.method AS method, "
        "r.evidence AS evidence, r.first_seen AS first_seen ORDER BY rel, source, confidence DESC, value"
    )


@cache
def orphans(label: str) -> Statement:
    """Nodes of a label without edges, as `id`; of models and datasets, only placeholders without charted weights."""
    names = SCHEMA.node(label).names
    where = "n.placeholder = true AND " if "placeholder" in names else ""
    where += "n.weights_hash IS NULL AND " if "weights_hash" in names else ""
    return Statement(f"MATCH (n:{label}) WHERE {where}NOT (n)--() RETURN n.id AS id")


@cache
def count_nodes(label: str) -> Statement:
    """Number of nodes of a label, as `n`."""
    SCHEMA.node(label)
    return Statement(f"MATCH (n:{label}) RETURN count(n) AS n")


@cache
def count_edges(rel: str) -> Statement:
    """Number of edges of a type, as `n`. Neo4j looks it up where no label is named."""
    SCHEMA.relationship(rel)
    return Statement(f"MATCH ()-[r:{rel}]->() RETURN count(r) AS n")


def _check(rel: str, source: str, target: str, names: tuple[str, ...]) -> RelationshipType:
    kind = SCHEMA.relationship(rel)
    if (source, target) not in kind.ends:
        raise UsageError(f"{rel} does not join {source} to {target}", hint=f"It joins {kind.ends}")
    _names(kind.names, names)
    return kind


def _names(known: frozenset[str], names: tuple[str, ...]) -> None:
    if unknown := set(names) - known:
        raise UsageError(f"unknown properties {sorted(unknown)}", hint=f"Known: {', '.join(sorted(known))}")
