"""Tests of `atlas_db/licenses/completeness.py`."""

from __future__ import annotations

from pathlib import Path

from atlas_db.core.terms import Verdict
from atlas_db.licenses.audit import AuditOptions, audit_models
from atlas_db.licenses.card_model import read_card_model
from atlas_db.licenses.completeness import named, newer_models, unresolved_parents
from atlas_db.lineage.newest_records import NewestRecords, read_newest_records
from atlas_db.store.bolt import Store
from tests.support.graphs import child, load_rows, model


def test_a_model_that_came_after_the_newest_record(store: Store, tmp_path: Path) -> None:
    rows = [child("c/c", "finetune:p/gone"), model("c/new", createdAt="2025-02-01T00:00:00.000Z")]
    load_rows(store, tmp_path, rows, as_of="2024-06-30")
    newest = read_newest_records(store)
    assert newer_models(store, newest) == newer_models(store, newest, ["c/new", "c/c", "p/gone"]) == ["c/new"]
    assert newer_models(store, newest, ["c/c"]) == newer_models(store, NewestRecords("", "")) == []


def test_a_model_of_the_same_day_is_not_newer(store: Store, tmp_path: Path) -> None:
    load_rows(store, tmp_path, [model("c/c", lastModified="2024-06-30T23:00:00.000Z")], as_of="2024-06-30")
    assert newer_models(store, read_newest_records(store)) == []


def test_few_names_are_listed() -> None:
    assert named(["a", "b", "c"]) == "a, b, c"
    assert named(["a", "b", "c", "d", "e"]) == "a, b, c and 2 more"


def _gaps(store: Store, *models: str) -> list[str]:
    return audit_models(store, models, AuditOptions()).gaps(Verdict.VIOLATION)


def test_a_name_that_means_no_model_for_sure_is_a_gap(store: Store, tmp_path: Path) -> None:
    rows = [model("a/river-7b"), model("b/river-7b"), model("a/pond"), child("c/amb", "finetune:river-7b")]
    rows += [child("c/path", "finetune:/data/llama"), child("c/sure", "finetune:a/pond"), child("c/below", "c/amb")]
    rows += [child("c/own", "c/own"), child("c/two", "a/pond", "D:\\models\\llama")]
    load_rows(store, tmp_path, rows, as_of="2024-06-30")
    (ambiguous,) = _gaps(store, "c/amb")
    assert "river-7b is ambiguous: it fits 2 models, likeliest a/river-7b (named by c/amb)" in ambiguous
    (path,) = _gaps(store, "c/path")
    assert "/data/llama is a path on a disk" in path and "not in this atlas" not in path
    assert "named by c/amb" in _gaps(store, "c/below")[0]
    assert "llama is a path on a disk" in _gaps(store, "c/two")[0]
    assert _gaps(store, "c/sure") == _gaps(store, "c/own") == []


def test_a_path_that_a_program_wrote_is_no_gap_beside_a_known_parent(store: Store, tmp_path: Path) -> None:
    config = {"_name_or_path": "/data/llama", "model_type": "llama"}
    rows = [model("a/pond"), child("c/known", "a/pond", config=config), model("c/alone", config=config)]
    load_rows(store, tmp_path, rows, as_of="2024-06-30")
    assert _gaps(store, "c/known") == []
    assert [each.mention for each in unresolved_parents(store, ["c/known", "c/alone"])] == ["/data/llama"]


def test_a_folder_tells_ambiguous_from_absent_names(store: Store, tmp_path: Path) -> None:
    load_rows(store, tmp_path, [model("a/river-7b"), model("b/river-7b")], as_of="2024-06-30")
    folder = tmp_path / "mine"
    folder.mkdir()
    (folder / "README.md").write_text("---\nlicense: mit\nbase_model: [river-7b, lake, /data/x]\n---\n")
    report = audit_models(store, [], AuditOptions(), [read_card_model(folder)])
    assert {each["mention"]: (each["resolution"], each["is_path"]) for each in report.document()["unresolved"]} == {
        "river-7b": ("ambiguous", False),
        "lake": ("absent", False),
        "/data/x": ("absent", True),
    }
    (gap,) = report.gaps(Verdict.VIOLATION)
    assert "lake is not in this atlas" in gap and "river-7b is ambiguous" in gap


RIVERS = [model("a/river-7b", tags=["license:mit"]), model("b/river-7b", tags=["license:mit"])]


def test_what_names_a_parent_that_is_not_surely_known_is_unknown_and_so_is_what_stands_on_it(
    store: Store, tmp_path: Path
) -> None:
    rows = [*RIVERS, *(child(name, above, tags=["license:mit"]) for name, above in (
        ("c/amb", "river-7b"), ("c/path", "/data/llama"), ("c/below", "c/amb"), ("c/sure", "a/river-7b"))
    )]  # fmt: skip
    load_rows(store, tmp_path, rows)
    found = {}
    for name in ("c/amb", "c/path", "c/below", "c/sure"):
        report = audit_models(store, [name], AuditOptions())
        findings = [row for row in report.findings if row["finding"] == "unresolved_parent"]
        assert report.at_least(Verdict.UNKNOWN) == 0, "it is no finding about the model"
        found[name] = (
            dict(report.verdicts),
            [(row["ancestor"], row["clause"].rpartition(": it fits")[0]) for row in findings],
        )
    clause = "the parent that it names is not known, nor is what stands above that: river-7b is ambiguous"
    assert found["c/amb"] == ({Verdict.UNKNOWN: 1}, [(None, clause)])
    assert found["c/below"] == ({Verdict.UNKNOWN: 1}, [("c/amb", clause)])
    assert found["c/path"] == ({Verdict.UNKNOWN: 1}, [(None, "")])
    assert found["c/sure"] == ({Verdict.OBLIGATIONS: 1}, [])
    suppressions = tmp_path / "suppress.toml"
    suppressions.write_text(
        '[[suppress]]\nmodel = "c/below"\nancestor = "c/amb"\nrule = "unresolved-parent"\n'
        'reason = "it is a/river-7b"\nexpires = 2099-01-01\n'
    )
    waived = audit_models(store, ["c/below"], AuditOptions(suppressions=suppressions))
    assert (dict(waived.verdicts), waived.unresolved, waived.gaps(Verdict.UNKNOWN)) == (
        {Verdict.OBLIGATIONS: 1},
        [],
        [],
    )
    both = audit_models(store, ["c/below", "c/amb"], AuditOptions(suppressions=suppressions))
    assert both.verdicts[Verdict.UNKNOWN] == 1 and len(both.unresolved) == 1


def test_a_folder_with_an_ambiguous_parent_is_unknown(store: Store, tmp_path: Path) -> None:
    load_rows(store, tmp_path, RIVERS)
    verdicts = {}
    for above in ("river-7b", "a/river-7b"):
        folder = tmp_path / "mine"
        folder.mkdir(exist_ok=True)
        (folder / "README.md").write_text(f"---\nlicense: mit\nbase_model: {above}\n---\n")
        verdicts[above] = dict(audit_models(store, [], AuditOptions(), [read_card_model(folder)]).verdicts)
    assert verdicts == {"river-7b": {Verdict.UNKNOWN: 1}, "a/river-7b": {Verdict.OBLIGATIONS: 1}}
