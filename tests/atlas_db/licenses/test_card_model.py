"""Tests of `atlas_db/licenses/card_model.py`."""

from __future__ import annotations

import os
from pathlib import Path

import msgspec
import pytest

from atlas_db.core.errors import InputError
from atlas_db.core.terms import LicenseState, Relation, Verdict
from atlas_db.licenses.audit import AuditOptions, audit_models
from atlas_db.licenses.card_model import read_card_model
from atlas_db.licenses.sarif import to_sarif
from atlas_db.store.bolt import Store
from tests.support.graphs import load_rows
from tests.support.hub_cache import write_cached
from tests.support.kept import kept_store
from tests.support.license_hub import META, ROWS


def test_a_model_that_is_not_in_the_atlas(store: Store, tmp_path: Path) -> None:
    load_rows(store, tmp_path, ROWS)
    folder = tmp_path / "mine"
    folder.mkdir()
    (folder / "README.md").write_text(
        "---\nlicense: apache-2.0\nbase_model: a/Llama-3-mid\nbase_model_relation: finetune\ndatasets: [data/nc]\n---\nHi"
    )
    report = audit_models(store, [], AuditOptions(), [read_card_model(folder)])
    found = {(row["rule"], row["ancestor"], row["verdict"]) for row in report.findings}
    assert ("llama3-lost", META, "violation") in found
    assert ("non-commercial-lost", "datasets/data/nc", "needs_review") in found
    assert ("name-llama3", META, "needs_review") in found
    # A folder shows its files: this one has no licence text.
    assert any(row["rule"] == "file-text" for row in report.findings)
    (folder / "README.md").write_text("---\nlicense: mit\nbase_model: Meta-Llama-3-8B\n---\n")
    report = audit_models(store, [], AuditOptions(), [read_card_model(folder / "README.md")])
    assert {row["ancestor"] for row in report.findings if row["verdict"] == "violation"} == {META}
    (folder / "README.md").write_text("---\nlicense: mit\nbase_model: nc\n---\n")
    assert audit_models(store, [], AuditOptions(), [read_card_model(folder)]).missing == ["nc"]


def test_a_card_in_any_case_and_in_the_cache_of_the_hub(tmp_path: Path) -> None:
    body = b"---\nlicense: mit\nbase_model: a/b\n---\n"
    (tmp_path / "mine").mkdir()
    for name in ("readme.md", "ReadMe.md", "README.MD"):
        (tmp_path / "mine" / name).write_bytes(body)
        found = read_card_model(tmp_path / "mine")
        assert (found.id, found.card.name) == ("mine", name)
        assert [claim.name for claim in found.record.parents] == ["a/b"]
        (tmp_path / "mine" / name).unlink()
    snapshot = write_cached(tmp_path / "hub", "models--acme--river", {"README.md": body, "LICENSE": b"MIT"})
    for place in (snapshot, snapshot.parent.parent, snapshot / "README.md"):
        cached = read_card_model(place)
        assert cached.id == "acme/river"
        # A cache may hold a part of the files only, so that a missing file is unknown.
        assert "license_files" not in cached.record.details


def test_a_folder_without_a_card_is_read_by_what_its_files_state(store: Store, tmp_path: Path) -> None:
    load_rows(store, tmp_path, ROWS)
    folder = tmp_path / "lora"
    folder.mkdir()
    (folder / "adapter_config.json").write_text('{"base_model_name_or_path": "https://hf.co/a/Llama-3-mid", "r": 8}')
    found = read_card_model(folder)
    assert (found.id, [claim.relation for claim in found.record.parents]) == ("lora", [Relation.ADAPTER])
    report = audit_models(store, [], AuditOptions(), [found])
    assert META in {row["ancestor"] for row in report.findings}
    (folder / "adapter_config.json").unlink()
    with pytest.raises(InputError, match="cannot be read"):
        read_card_model(folder)


def test_two_files_that_name_one_parent_make_one_edge(store: Store, tmp_path: Path) -> None:
    load_rows(store, tmp_path, ROWS)
    folder = tmp_path / "mine"
    folder.mkdir()
    (folder / "README.md").write_text("---\nlicense: mit\nbase_model: a/Llama-3-mid\n---\n")
    (folder / "config.json").write_text('{"model_type": "llama", "_name_or_path": "a/Llama-3-mid"}')
    findings = audit_models(store, [], AuditOptions(), [read_card_model(folder)]).findings
    assert len({(row["rule"], row["ancestor"]) for row in findings}) == len(findings)


@pytest.mark.parametrize(
    ("file", "body"),
    [("adapter_config.json", b"{"), ("mergekit_config.yml", b"models: ["), ("config.json", b"[1]"),
     ("model.safetensors", b"\xff" * 64), ("river.gguf", b"GGUF"), ("training_args.json", b"[]")],
)  # fmt: skip
def test_a_file_that_cannot_be_read_is_said_and_leaves_the_audit_incomplete(
    store: Store, tmp_path: Path, file: str, body: bytes
) -> None:
    load_rows(store, tmp_path, ROWS)
    folder = tmp_path / "mine"
    folder.mkdir()
    (folder / "README.md").write_text("---\nlicense: mit\n---\n")
    whole = audit_models(store, [], AuditOptions(), [read_card_model(folder)])
    assert (whole.document()["notes"], whole.gaps(Verdict.VIOLATION)) == ({}, [])
    (folder / file).write_bytes(body)
    report = audit_models(store, [], AuditOptions(), [read_card_model(folder)])
    (note,) = report.document()["notes"]["mine"]
    assert note["unread"]
    assert any(note["text"] in gap for gap in report.gaps(Verdict.VIOLATION))
    shown = to_sarif(report)["runs"][0]["invocations"][0]["toolExecutionNotifications"]
    assert any(note["text"] in each["message"]["text"] for each in shown if each["level"] == "warning")


def test_names_of_files_that_are_not_unicode(store: Store, tmp_path: Path) -> None:
    load_rows(store, tmp_path, ROWS)
    folder = Path(os.fsdecode(os.fsencode(tmp_path) + b"/m\xe9lange"))
    folder.mkdir()
    (folder / "README.md").write_text("---\nlicense: mit\n---\n")
    for name in (b"weights-\xff.txt", b"LICENSE-\xe9", b"caf\xc3\xa9.gguf"):
        Path(os.fsdecode(os.fsencode(folder) + b"/" + name)).write_bytes(b"x")
    found = read_card_model(folder)
    assert found.id == "m\ufffdlange"
    assert found.record.details["license_files"] == ["LICENSE-\ufffd"]
    report = audit_models(store, [], AuditOptions(), [found])
    assert msgspec.json.encode(to_sarif(report, {found.id: str(found.card)}))
    assert b"LICENSE-\xef\xbf\xbd" in msgspec.json.encode(report.document())


@pytest.mark.parametrize(
    ("file", "body"),
    [("model.safetensors", (2).to_bytes(8, "little") + b"{}"), ("pytorch_model.bin", b"x"), ("river.gguf", b"GGUF"),
     ("adapter_config.json", b"{"), ("config.json", b"{")],
)  # fmt: skip
def test_weights_without_a_card_are_a_model_that_states_nothing(
    store: Store, tmp_path: Path, file: str, body: bytes
) -> None:
    load_rows(store, tmp_path, ROWS)
    folder = tmp_path / "bare"
    folder.mkdir()
    (folder / file).write_bytes(body)
    report = audit_models(store, [], AuditOptions(), [read_card_model(folder)])
    assert report.verdicts[Verdict.UNKNOWN] == 1
    assert {row["license_state"] for row in report.findings} == {LicenseState.STATES_NONE}
    assert report.missing == []


def test_entries_of_the_cache_are_paths_and_only_models_are_audited(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    body = {"README.md": b"---\nlicense: mit\n---\n"}
    for name in ("models--acme--river", "datasets--acme--pond", "spaces--acme--app"):
        write_cached(tmp_path, name, body)
    (tmp_path / "models--acme--empty" / "blobs").mkdir(parents=True)
    monkeypatch.chdir(tmp_path)
    assert read_card_model(Path("models--acme--river")).id == "acme/river"
    for prefix in ("", "./", f"{tmp_path}/"):
        for name, kind in (("datasets--acme--pond", "dataset"), ("spaces--acme--app", "space")):
            with pytest.raises(InputError, match=f"is a {kind}, not a model"):
                read_card_model(Path(prefix + name))
    with pytest.raises(InputError, match="has no snapshot"):
        read_card_model(Path("models--acme--empty"))


def test_a_gguf_file_alone_states_its_licence_and_its_parents(tmp_path: Path) -> None:
    import gguf

    file = tmp_path / "Tern-Q4.gguf"
    writer = gguf.GGUFWriter(file, "llama")
    writer.add_license("apache-2.0")
    writer.add_base_model_count(1)
    writer.add_base_model_repo_url(0, f"https://huggingface.co/{META}")
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    found = read_card_model(file)
    assert (found.id, found.declared_licenses(), found.planned) == ("Tern-Q4", ["apache-2.0"], False)
    report = audit_models(kept_store(ROWS), [], AuditOptions(), [found])
    assert {row["ancestor"] for row in report.findings if row["verdict"] == "violation"} == {META}
    # A card beside a loose file may be another model's.
    (tmp_path / "README.md").write_text("---\nlicense: mit\n---\n")
    assert [code for code, _ in read_card_model(file).notes] == ["card_beside"]
    file.write_bytes(b"GGUF")
    with pytest.raises(InputError, match="cannot be read"):
        read_card_model(file)


def test_a_file_that_tools_name_stands_for_its_folder(tmp_path: Path) -> None:
    (tmp_path / "adapter_config.json").write_text('{"base_model_name_or_path": "a/Llama-3-mid"}')
    (tmp_path / "adapter_model.safetensors").write_bytes((2).to_bytes(8, "little") + b"{}")
    (tmp_path / "README.md").write_text("---\nlicense: mit\n---\n")
    for name in ("adapter_config.json", "adapter_model.safetensors"):
        found = read_card_model(tmp_path / name)
        assert (found.declared_licenses(), found.record.parents[0].name) == (["mit"], "a/Llama-3-mid")
    (tmp_path / "pytorch_model.bin").write_bytes(b"x")
    with pytest.raises(InputError, match="is no file that states"):
        read_card_model(tmp_path / "pytorch_model.bin")


def test_a_merge_is_audited_before_it_is_made(tmp_path: Path) -> None:
    recipe = tmp_path / "river.yml"
    recipe.write_text("merge_method: linear\nmodels:\n- model: p/nc\n- model: p/mit\n")
    found = read_card_model(recipe)
    assert (found.id, found.planned) == ("river", True)
    report = audit_models(kept_store(ROWS), [], AuditOptions(), [found])
    allowed = {row["license"]: row["verdict"] for row in report.allowed_licenses["river"]}
    assert allowed["cc-by-nc-4.0"] == "compliant_with_obligations"
    assert not {"mit", "apache-2.0", "gpl-3.0", "llama3"} & allowed.keys()
    duties = {(row["duty"], row["license"], *row["holders"]) for row in report.duties["river"]}
    assert {("include_license", "mit", "p/mit"), ("non_commercial", "cc-by-nc-4.0", "p/nc")} <= duties
    # Each licence that is said to be allowed is, where a model declares it.
    (tmp_path / "made").mkdir()
    for license_id in ("cc-by-nc-4.0", "mit"):
        (tmp_path / "made" / "README.md").write_text(
            f"---\nlicense: {license_id}\nbase_model: [p/nc, p/mit]\nbase_model_relation: merge\n---\n"
        )
        made = audit_models(kept_store(ROWS), [], AuditOptions(), [read_card_model(tmp_path / "made" / "README.md")])
        assert (made.verdicts[Verdict.VIOLATION] == 0) is (license_id in allowed)
    for text, reason in (("models: [", "no recipe"), ("a: 1", "it names no model"), ("", "it names no model")):
        recipe.write_text(text)
        with pytest.raises(InputError, match=reason):
            read_card_model(recipe)
