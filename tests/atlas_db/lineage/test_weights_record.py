"""A model known by its weights alone has a record: `lineage`, `audit`, `search`, pages and bills know it."""

from __future__ import annotations

from pathlib import Path

import pytest

from atlas_db.bom.collect import collect_contents
from atlas_db.claims.runs import rollback
from atlas_db.core.errors import ModelNotFoundError
from atlas_db.core.terms import Verdict
from atlas_db.dashboard import views
from atlas_db.licenses.audit import AuditOptions, audit_models
from atlas_db.licenses.write_findings import audit_and_write
from atlas_db.lineage.traversal import lineage
from atlas_db.lineage.weights_record import Knowledge, knowledge_of, weights_words
from atlas_db.store.bolt import Store
from cypher.query_library import run_query
from ingest.weights.chart import chart
from ingest.weights.fingerprints.fingerprint import Fingerprint
from ingest.weights.write_inferred import write_chart
from tests.support.families import print_of, root, write
from tests.support.graphs import load_rows, model

BASE, TUNED, LONE = "org/base", "tuned-here", "lone"
LLAMA = model(BASE, tags=["license:llama3"], config={"model_type": "llama"})


@pytest.fixture(scope="module")
def prints(tmp_path_factory: pytest.TempPathFactory) -> list[Fingerprint]:
    folder = tmp_path_factory.mktemp("weights")
    base = root(1)
    made = []
    # Of two models alone, a cast is told by its values; which of two trained ones came first is not.
    for name, weights, dtype in ((BASE, base, "F32"), (TUNED, base, "BF16"), (LONE, root(9), "F32")):
        write(folder / name, weights, dtype)
        made.append(print_of(folder / name, name, "2024-02-02"))
    return made


def known(store: Store) -> dict[str, str]:
    return {row["id"]: row["known"] for row in run_query(store, "search")[1]}


def test_what_is_known(prints: list[Fingerprint]) -> None:
    assert knowledge_of({"placeholder": False, "weights_hash": "x"}) is Knowledge.RECORD
    assert knowledge_of({"placeholder": True, "weights_hash": "x"}) is Knowledge.WEIGHTS
    assert knowledge_of({"placeholder": True}) is Knowledge.NAME


def test_weights_alone_are_a_record(store: Store, tmp_path: Path, prints: list[Fingerprint]) -> None:
    load_rows(store, tmp_path, [LLAMA, model("c/c", tags=["base_model:p/gone"])])
    run_id = write_chart(store, tmp_path, prints, chart(prints))["run_id"]
    assert known(store) == {BASE: "record", "c/c": "record", TUNED: "weights", LONE: "weights", "p/gone": "name"}
    found = lineage(store, TUNED)
    assert found.known is Knowledge.WEIGHTS
    assert found.weights is not None
    item = next(each for each in prints if each.id == TUNED)
    assert (found.weights["elements"], found.weights["bytes"]) == (item.elements, item.size)
    assert (found.weights["family"], found.weights["model_types"]) == (BASE, ["llama"])
    assert found.weights["layers"] >= 1
    assert f"family of {BASE}" in weights_words(found.weights)
    report = audit_models(store, [TUNED, LONE], AuditOptions())
    assert report.models == report.verdicts[Verdict.UNKNOWN] == 2
    assert report.weights_only.keys() == {TUNED, LONE}
    rules = {(row["model"], row["ancestor"], row["rule"]) for row in report.findings}
    assert rules == {(TUNED, None, "not-in-atlas"), (LONE, None, "not-in-atlas"), (TUNED, BASE, "not-in-atlas-child")}
    whole = audit_and_write(store, tmp_path, AuditOptions(), 1000)
    assert whole.models == 4
    assert sum(row["models"] for row in run_query(store, "verdicts")[1]) == 4
    page = views.model_page(store, TUNED)
    assert (page["known"], page["license_state"], page["verdict"]) == ("weights", "not_in_atlas", "unknown")
    assert page["weights"]["family"] == BASE
    assert not any("copyright" in row["clause"] for row in page["findings"])
    assert collect_contents(store, TUNED).models[TUNED].verdict is Verdict.UNKNOWN
    with pytest.raises(ModelNotFoundError, match=r"no record of 'p/gone' in this atlas \(newest record 2024-01-01\)"):
        audit_models(store, ["p/gone"], AuditOptions())
    rollback(store, run_id, tmp_path, 500)
    assert known(store) == {BASE: "record", "c/c": "record", "p/gone": "name"}


def test_a_load_keeps_what_weights_showed(store: Store, tmp_path: Path, prints: list[Fingerprint]) -> None:
    write_chart(store, tmp_path, prints, chart(prints))
    assert set(known(store).values()) == {"weights"}
    before = lineage(store, TUNED).model
    load_rows(store, tmp_path, [LLAMA])
    # One without any edge stays, and so do the measures of one that has a record now.
    assert known(store) == {BASE: "record", TUNED: "weights", LONE: "weights"}
    load_rows(store, tmp_path, [model(TUNED, tags=["license:mit"])])
    after = lineage(store, TUNED).model
    assert after["license"] == "mit"
    assert {name: after.get(name) for name in before if name.startswith("weights_")} == {
        name: value for name, value in before.items() if name.startswith("weights_")
    }
    report = audit_models(store, [TUNED], AuditOptions())
    assert not report.weights_only
    assert "llama3-lost" in {row["rule"] for row in report.findings}
