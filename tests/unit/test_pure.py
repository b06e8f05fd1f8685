"""Fusion, merging over time, cycles, schema, statements, settings, errors, output: no engine needed."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from atlas_db.core import errors
from atlas_db.core.errors import AtlasError, UsageError
from atlas_db.core.records import ChartedModel, HubRecord, ValueClaim
from atlas_db.core.records import LineageClaim as Word
from atlas_db.core.schema import SCHEMA, markdown
from atlas_db.core.settings import load_settings
from atlas_db.core.terms import RecordKind, RecordPart, Relation, Resolution, Source, Status
from atlas_db.fusion.fuse import fuse_child, life, merge_spans
from atlas_db.store import statements
from atlas_db.store.bulk_import import BulkImportFiles
from atlas_db.store.supervisor import read_or_make_secret
from ingest.load.record_merge import claim_properties, merge_claims, merge_node
from ingest.load.resolve import ParentDeclaration, fuse_claims, resolve_declarations
from ingest.normalise.model_names import NameEvidence

ROOT = Path(__file__).parent.parent.parent
GOLDEN = ROOT / "tests" / "golden" / "statements.cypher"


def said(parent: str, source: Source, confidence: float, relation: Relation = Relation.FINETUNE, **over: Any) -> Word:
    base = Word("c", parent, source, relation, confidence, "m@1", parent, Resolution.EXACT, "", "2024", "2024", None)
    return base._replace(**over)


def test_agreeing_sources_verify() -> None:
    (edge,) = fuse_child([said("p", Source.DECLARED, 0.8), said("p", Source.INFERRED, 0.9, Relation.MERGE)])
    assert (edge.status, edge.relation, edge.sources) == (
        Status.VERIFIED, Relation.MERGE, (Source.DECLARED, Source.INFERRED)
    )  # fmt: skip
    assert edge.confidence == pytest.approx(0.98)


def test_unsure_weights_do_not_rename_the_relation() -> None:
    (edge,) = fuse_child([said("p", Source.DECLARED, 0.8), said("p", Source.INFERRED, 0.85, Relation.MERGE)])
    assert edge.relation is Relation.FINETUNE


def test_weights_that_name_another_parent_contradict() -> None:
    edges = {e.parent: e for e in fuse_child([said("p", Source.DECLARED, 0.8), said("q", Source.INFERRED, 0.98)])}
    assert edges["p"].status is Status.CONTRADICTED
    assert edges["p"].confidence == pytest.approx(0.8 * 0.02)
    assert edges["q"].status is Status.UNDECLARED
    unsure = fuse_child([said("p", Source.DECLARED, 0.8), said("q", Source.INFERRED, 0.97)])
    assert unsure[0].status is Status.DECLARED


def test_the_model_that_a_merge_started_from_is_no_wrong_parent() -> None:
    merged = said("q", Source.INFERRED, 0.98, Relation.MERGE)._replace(
        evidence='{"test": "merge", "base": "p", "method": "ties", "weight": 1.0, "residual": 0.0}'
    )
    edges = {
        e.parent: e
        for e in fuse_child(
            [said("p", Source.DECLARED, 0.8), merged], {"c": ChartedModel("q", "1"), "p": ChartedModel("r", "2")}
        )
    }
    assert (edges["p"].status, edges["p"].confidence) == (Status.VERIFIED, 0.8)


def test_what_weights_think_possible_is_no_wrong_parent() -> None:
    sure = said("q", Source.INFERRED, 0.98)
    told = [
        said("p", Source.DECLARED, 0.8),
        sure._replace(
            evidence='{"test": "residual", "alternatives": {"p": 0.03}, "containment_log_odds": 0.0, "distance": 0.1}'
        ),
    ]
    assert fuse_child(told)[0].status is Status.DECLARED
    known = {"c": ChartedModel("q", "1"), "q": ChartedModel("q", "2"), "p": ChartedModel("q", "3")}
    assert fuse_child([told[0], sure], known)[0].status is Status.CONTRADICTED
    copy = known | {"p": ChartedModel("q", "2")}
    assert fuse_child([told[0], sure], copy)[0].status is Status.DECLARED, "an exact copy of the one that is named"
    assert fuse_child(told, known | {"p": ChartedModel("r", "3")})[0].status is Status.CONTRADICTED, "another family"
    itself = known | {"p": ChartedModel("q", "1")}
    assert fuse_child([told[0], sure], itself)[0].status is Status.DECLARED, "an exact copy of the child"


def test_one_parent_of_several_that_is_seen_does_not_contradict_the_others() -> None:
    """A trace names one parent, of a merge that weights do not recognise, too; and a share near zero leaves none."""
    declared = [said(parent, Source.DECLARED, 0.8) for parent in "pq"]

    def status(*weights: Word, known: dict[str, ChartedModel] | None = None) -> list[Status]:
        return [edge.status for edge in fuse_child([*declared, *weights], known) if edge.parent in "pq"]

    trained = said("p", Source.INFERRED, 0.98)
    assert status(trained) == [Status.VERIFIED, Status.DECLARED]
    assert status(trained._replace(relation=Relation.QUANTIZED)) == [Status.VERIFIED, Status.CONTRADICTED]
    merged = [said(parent, Source.INFERRED, 0.98, Relation.MERGE) for parent in "pr"]
    assert status(*merged) == [Status.VERIFIED, Status.CONTRADICTED]
    assert status(merged[0]) == [Status.VERIFIED, Status.DECLARED]
    assert status(trained._replace(parent="r")) == 2 * [Status.CONTRADICTED]
    strangers = {"c": ChartedModel("p", "1"), "q": ChartedModel("q", "2")}
    assert status(trained, known=strangers) == [Status.VERIFIED, Status.CONTRADICTED], "another family"


@pytest.mark.parametrize(
    "over",
    [{"valid_to": "2024"}, {"resolution": Resolution.CYCLE}, {"resolution": Resolution.SELF_LOOP}, {"resolution": Resolution.AMBIGUOUS},
     {"resolution": Resolution.ABSENT, "confidence": 0.3}],
)  # fmt: skip
def test_what_is_never_followed(over: dict[str, Any]) -> None:
    assert fuse_child([said("p", Source.DECLARED, 0.9)._replace(**over)]) == []


def test_predictions_stand_for_themselves() -> None:
    (edge,) = fuse_child([said("p", Source.PREDICTED, 0.7, Relation.ADAPTER)])
    assert (edge.status, edge.relation, edge.confidence) == (Status.PREDICTED, Relation.ADAPTER, 0.7)


TESTIMONY = st.builds(said, st.sampled_from("pqr"), st.sampled_from(Source), st.floats(0, 1), st.sampled_from(Relation))


@given(st.lists(TESTIMONY, max_size=6, unique_by=lambda t: (t.parent, t.source)), st.randoms())
def test_fusion_does_not_depend_on_order(items: list[Word], random: Any) -> None:
    shuffled = items[:]
    random.shuffle(shuffled)
    edges = fuse_child(items)
    assert fuse_child(shuffled) == edges
    assert all(0.0 <= edge.confidence <= 1.0 for edge in edges)


def test_life_of_a_claim() -> None:
    dates = {RecordPart.TAGS: ["2024-01", "2024-03", "2024-05"], RecordPart.CARD: ["2024-02"]}
    assert life({RecordPart.TAGS: ("2024-01", "2024-01")}, dates) == ("2024-01", "2024-01", "2024-03")
    assert life({RecordPart.TAGS: ("2024-01", "2024-05")}, dates) == ("2024-01", "2024-05", None)
    both = {RecordPart.TAGS: ("2024-01", "2024-01"), RecordPart.CARD: ("2024-02", "2024-02")}
    assert life(both, dates) == ("2024-01", "2024-02", None)


SPANS = st.dictionaries(
    st.sampled_from(RecordPart), st.tuples(*[st.sampled_from("abc")] * 2).map(lambda p: (min(p), max(p)))
)


@given(SPANS, SPANS, SPANS)
def test_spans_merge_in_any_order(a: Any, b: Any, c: Any) -> None:
    assert merge_spans(a, b, c) == merge_spans(c, merge_spans(b, a)) == merge_spans(merge_spans(a, b, c), a)


RECORD = st.builds(
    lambda parts, stated, details, licences: HubRecord(
        RecordKind.MODEL, "a/m", parts, stated if RecordPart.TAGS in parts else {}, details,
        [ValueClaim("HAS_LICENSE", licence, 1.0, part) for licence in licences for part in parts], [], digest="d",
    ),
    st.sampled_from([(RecordPart.TAGS,), (RecordPart.CARD,), (RecordPart.TAGS, RecordPart.CARD)]),
    st.fixed_dictionaries({"downloads": st.integers(0, 9), "license": st.sampled_from([None, "mit", "isc"])}),
    st.dictionaries(st.sampled_from(["sha", "license_name"]), st.sampled_from(["x", "y"])),
    st.sets(st.sampled_from(["mit", "isc"])).map(sorted),
)  # fmt: skip
DATED = st.tuples(RECORD, st.sampled_from(["2024-01-01", "2024-02-01", "2024-03-01"]))


@given(st.lists(DATED, min_size=1, max_size=4), st.randoms())
def test_merging_records_does_not_depend_on_order(items: list[tuple[HubRecord, str]], random: Any) -> None:
    results = []
    for _ in range(3):
        node: dict[str, Any] | None = None
        claims: dict[tuple[str, str], dict[str, Any]] = {}
        for record, as_of in items:
            node = merge_node(node, record, as_of)
            claims = merge_claims(claims, record.claims, node, as_of)
        for record, as_of in items:  # and once more: nothing changes
            assert merge_node(node, record, as_of) == node
        results.append((node, claims))
        random.shuffle(items)
    assert results[0] == results[1] == results[2]


def test_claims_of_two_parts_remember_both() -> None:
    spans = {RecordPart.TAGS: ("2024-01", "2024-02"), RecordPart.CARD: ("2024-01", "2024-01")}
    props = claim_properties(spans, {RecordPart.TAGS: ["2024-01", "2024-02"], RecordPart.CARD: ["2024-01"]}, 1.0)
    assert props["method"] == "hub-card@1+hub-tags@1"
    assert props["stated_in"] == "card:2024-01..2024-01;tags:2024-01..2024-02"


def statement(child: str, name: str) -> ParentDeclaration:
    return ParentDeclaration(child, name, Relation.FINETUNE, 0.8, "default", "2024", "2024", None)


@given(st.lists(st.tuples(*[st.sampled_from("abcdef")] * 2), max_size=14, unique=True), st.randoms())
def test_edges_never_close_a_cycle(pairs: list[tuple[str, str]], random: Any) -> None:
    import networkx as nx

    facts = {f"o/{x}": NameEvidence(1, f"2024-01-0{'abcdef'.index(x) // 2 + 1}T00:00:00Z") for x in "abcdef"}
    said = [statement(f"o/{a}", f"o/{b}") for a, b in pairs]
    testimony = resolve_declarations(facts, said)
    graph = nx.DiGraph((edge.child, edge.parent) for edge in fuse_claims(testimony))
    assert nx.is_directed_acyclic_graph(graph)
    random.shuffle(said)
    assert resolve_declarations(facts, said) == testimony
    # No claim is dropped without need: each one marked would close a cycle.
    for item in testimony:
        if item.resolution is Resolution.CYCLE:
            assert nx.has_path(graph, item.parent, item.child)


def test_schema_page_is_fresh() -> None:
    assert (ROOT / "SCHEMA.md").read_text(encoding="utf-8") == markdown(), "run: atlas-db schema --markdown > SCHEMA.md"


def test_statements_come_from_the_schema_alone() -> None:
    assert statements.create_edges("HAS_LICENSE", "Model", "License", ("confidence",), ("source",)).text == (
        "UNWIND $rows AS row MATCH (a:Model {id: row[0]}) MATCH (b:License {id: row[1]}) "
        "CREATE (a)-[:HAS_LICENSE {confidence: row[2], source: $common.source}]->(b)"
    )
    assert statements.merge_edges("HAS_TASK", "Model", "Task").text == (
        "UNWIND $rows AS row MATCH (a:Model {id: row.a}) MATCH (b:Task {id: row.b}) "
        "MERGE (a)-[r:HAS_TASK {source: row.set.source}]->(b) SET r = row.set"
    )
    assert len(statements.constraints()) == len(SCHEMA.nodes)
    with pytest.raises(UsageError, match="does not join"):
        statements.create_edges("HAS_TASK", "Dataset", "Task")
    with pytest.raises(UsageError, match="unknown properties"):
        statements.create_edges("HAS_TASK", "Model", "Task", ("confidense",))
    with pytest.raises((KeyError, StopIteration)):
        statements.create_nodes("Model) DETACH DELETE (n")


def test_offline_files_carry_headers_of_the_schema(tmp_path: Path) -> None:
    with BulkImportFiles(tmp_path) as out:
        out.node("Model", {"id": 'a"b\nc', "tags": ["x", "y"], "placeholder": False})
        out.edge("HAS_TASK", "Model", "Task", 'a"b\nc', "t", {"confidence": 0.5})
        command = out.command()
    text = (tmp_path / "Model.csv").read_text(encoding="utf-8")
    assert text.startswith("id:ID(Model),author:string,")
    assert 'a""b\nc' in text
    assert "x\x1fy" in text
    assert (
        (tmp_path / "HAS_TASK.Model.Task.csv")
        .read_text()
        .startswith(":START_ID(Model),source:string,confidence:double")
    )
    assert f"--nodes=Model={tmp_path / 'Model.csv'}" in command


def test_settings_order(tmp_path: Path) -> None:
    config = tmp_path / "atlas-db.toml"
    config.write_text('store = "bolt://file"\nheap = "3g"\n')
    environ = {"ATLAS_DB_STORE": "bolt://env", "ATLAS_DB_HOME": str(tmp_path)}
    found = load_settings(environ=environ, config=config, store=None)
    assert (found.store, found.heap, found.home) == ("bolt://env", "3g", tmp_path)
    assert load_settings(environ=environ, config=config, store="local").store == "local"
    config.write_text("sotre = 'x'")
    with pytest.raises(UsageError, match="unknown key 'sotre'"):
        load_settings(environ={}, config=config)
    with pytest.raises(UsageError, match="no number"):
        load_settings(environ={"ATLAS_DB_BATCH_ROWS": "many"}, config=tmp_path / "none")


def test_every_error_is_drawn_in_the_tree() -> None:
    page = errors.__doc__ or ""
    for name, value in vars(errors).items():
        if isinstance(value, type) and issubclass(value, AtlasError):
            assert name in page, name
            assert value.__doc__


def test_modules_and_functions_stay_small() -> None:
    for folder in ("atlas_db", "ingest", "gnn", "cypher"):
        for file in (ROOT / folder).rglob("*.py"):
            text = file.read_text(encoding="utf-8")
            assert text.count("\n") <= 500, file
            tree = ast.parse(text)
            assert ast.get_docstring(tree), file
            for node in ast.walk(tree):
                if isinstance(node, ast.FunctionDef):
                    assert (node.end_lineno or 0) - node.lineno < 60, f"{file}: {node.name}"


def test_help_imports_nothing_heavy() -> None:
    code = (
        "import sys\n"
        "from typer.testing import CliRunner\n"
        "from atlas_db.cli.main import app\n"
        "assert CliRunner().invoke(app, ['--help']).exit_code == 0\n"
        "heavy = {'torch', 'neo4j', 'huggingface_hub', 'pyarrow', 'yaml', 'msgspec', 'zstandard', 'arcadedb_embedded'}\n"
        "sys.exit(', '.join(sorted(heavy & sys.modules.keys())) or 0)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_a_password_is_no_option_to_any_tool(tmp_path: Path) -> None:
    made = read_or_make_secret(tmp_path)
    assert made.isalnum() and len(made) == 48
    assert read_or_make_secret(tmp_path) == made


def generated() -> str:
    """Every statement the schema gives, one a line, under its name."""
    lines = [f"// constraints\n{s.text};" for s in statements.constraints()]
    lines += [f"// indexes\n{s.text};" for s in statements.indexes()]
    for node in SCHEMA.nodes:
        for make in (
            statements.create_nodes, statements.merge_nodes, statements.ensure_nodes, statements.replace_nodes,
            statements.delete_nodes, statements.read_nodes, statements.count_nodes, statements.orphans,
        ):  # fmt: skip
            lines.append(f"// {make.__name__} {node.label}\n{make(node.label).text};")
    for rel in SCHEMA.relationships:
        for source, target in rel.ends:
            for make in (
                statements.merge_edges,
                statements.delete_edges,
                statements.read_edges,
                statements.count_edges,
            ):
                lines.append(f"// {make.__name__} {rel.type}\n{make(rel.type, source, target).text};")
    return "\n".join(lines) + "\n"


def test_generated_statements_are_the_golden_ones() -> None:
    """To accept a change: python -c "from tests.unit.test_pure import *; GOLDEN.write_text(generated())"."""
    assert generated() == GOLDEN.read_text(encoding="utf-8")
