"""Tests of `atlas_db/licenses/license_files.py`: a licence found in a file has the digest and the text as evidence."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

from atlas_db.bom.collect import collect_contents
from atlas_db.bom.cyclonedx import write_bom
from atlas_db.licenses.audit import AuditOptions, audit_models
from atlas_db.licenses.card_model import read_card_model
from atlas_db.licenses.license_files import read_license_files
from atlas_db.licenses.sarif import to_sarif
from atlas_db.store.bolt import Store
from tests.support.graphs import load_rows, model
from tests.support.paths import GOLDEN, ROOT

APACHE = (ROOT / "LICENSE").read_bytes()
DIGEST = hashlib.sha256(APACHE).hexdigest()


def folder_of(path: Path, card: str) -> Path:
    path.mkdir()
    (path / "README.md").write_text(card, encoding="utf-8")
    (path / "LICENSE").write_bytes(APACHE)
    (path / "vendored").mkdir()
    (path / "vendored" / "COPYING.txt").write_text("our own words\n", encoding="utf-8")
    (path / ".git").mkdir()
    (path / ".git" / "LICENSE").write_bytes(APACHE)
    return path


def test_files_are_read_with_digest_and_text(tmp_path: Path) -> None:
    found = read_license_files(folder_of(tmp_path / "mine", ""))
    assert [(each.file, each.licenses) for each in found] == [
        ("LICENSE", ("apache-2.0",)),
        ("vendored/COPYING.txt", ()),
    ]
    assert found[0].sha256 == DIGEST
    assert found[0].evidence(["apache-2.0"]) == {
        "file": "LICENSE", "sha256": DIGEST, "licenses": ["apache-2.0"], "text_ids": ["Apache-2.0"], "words_around": 5,
        "agrees": True,
    }  # fmt: skip
    assert [found[0].evidence([each])["agrees"] for each in ("mit", "mit OR apache-2.0", "other", "made-up")] == [
        False, True, None, None,
    ]  # fmt: skip
    assert found[1].evidence(["mit"])["agrees"] is None


def test_a_licence_found_in_a_file_is_evidence_everywhere(store: Store, tmp_path: Path) -> None:
    load_rows(store, tmp_path, [model("p/nc", tags=["license:cc-by-nc-4.0"])])
    silent = folder_of(tmp_path / "silent", "---\nbase_model: p/nc\n---\n")
    card = read_card_model(silent)
    report = audit_models(store, [], AuditOptions(), [card])
    (row,) = [each for each in report.findings if each["verdict"] == "violation"]
    assert (row["rule"], row["child_license"]) == ("non-commercial-lost", "apache-2.0")
    assert [(each["file"], each["sha256"]) for each in row["evidence"]] == [("LICENSE", DIGEST)]
    assert report.document()["license_files"]["silent"][0]["text_ids"] == ["Apache-2.0"]
    log = to_sarif(report, {"silent": str(card.card)})
    import jsonschema

    jsonschema.Draft4Validator(json.loads((GOLDEN / "sarif-2.1.0-errata01.json").read_text())).validate(log)
    artifact = log["runs"][0]["artifacts"][0]
    assert artifact["location"]["uri"] == (silent / "LICENSE").as_uri()
    assert artifact["hashes"] == {"sha-256": DIGEST}
    for spec in ("1.7", "1.6"):
        document = write_bom(collect_contents(store, card.id, folder=card), spec)
        component = document["metadata"]["component"]
        evidence = component["evidence"]["licenses"][0]["license"]
        assert evidence["id"] == "Apache-2.0"
        values = {each["name"]: each["value"] for each in evidence["properties"]}
        assert (values["atlas-db:sha256"], values["atlas-db:text_id"]) == (DIGEST, "Apache-2.0")
        declared = [e["license"] for e in component["licenses"] if e["license"]["acknowledgement"] == "declared"]
        assert [each["id"] for each in declared] == ["Apache-2.0"]


def test_the_card_comes_first_and_the_file_may_disagree(store: Store, tmp_path: Path) -> None:
    load_rows(store, tmp_path, [model("p/nc", tags=["license:cc-by-nc-4.0"])])
    stated = read_card_model(folder_of(tmp_path / "stated", "---\nlicense: cc-by-nc-4.0\nbase_model: p/nc\n---\n"))
    report = audit_models(store, [], AuditOptions(), [stated])
    assert report.verdicts == {"compliant_with_obligations": 1}
    assert report.license_files["stated"][0]["agrees"] is False
    other = read_card_model(folder_of(tmp_path / "other", "---\nlicense: other\nbase_model: p/nc\n---\n"))
    assert audit_models(store, [], AuditOptions(), [other]).verdicts == {"violation": 1}


def test_a_text_with_more_terms_is_not_taken_for_the_licence(store: Store, tmp_path: Path) -> None:
    folder = folder_of(tmp_path / "changed", "---\nlanguage: en\n---\n")
    (folder / "LICENSE").write_bytes(
        APACHE + b"\nBesides, whoever earns more than a million a month with it " + b"asks us first " * 5
    )
    report = audit_models(store, [], AuditOptions(), [read_card_model(folder)])
    evidence = report.license_files["changed"][0]
    assert (evidence["licenses"], evidence["agrees"]) == (["apache-2.0"], None)
    assert evidence["words_around"] > 15
    assert [row["child_license"] for row in report.findings] == [None], "its licence is not known"
