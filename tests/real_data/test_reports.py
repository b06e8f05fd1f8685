"""Inputs made after public reports on other tools, each read as its report says that it should be."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from atlas_db.core.errors import RecordError
from atlas_db.core.records import HubRecord
from atlas_db.core.terms import RecordKind
from atlas_db.licenses.audit import AuditOptions, audit_models
from atlas_db.store.bolt import Store
from ingest.hub.decode import decode_record
from ingest.hub.snapshot import find_inputs, newest_date, read_records
from ingest.load.load_records import load
from ingest.load.stream import LoadOptions

pytestmark = pytest.mark.real_data


@pytest.fixture
def reports(data: Path) -> Path:
    return data / "reports"


def records(place: Path) -> Iterator[HubRecord]:
    """The records of an input, as a load reads them; their notes include those of the file."""
    for source in find_inputs([str(place)], place):
        for raw in read_records(source):
            record = decode_record(raw.text, source.kind)
            record.notes += raw.notes
            yield record


def stated(record: HubRecord) -> set[tuple[str, str]]:
    return {(claim.rel, claim.value) for claim in record.claims}


def parents(record: HubRecord) -> set[str]:
    return {claim.name for claim in record.parents}


@pytest.mark.parametrize(
    ("name", "said", "parent"),
    [
        ("R01a-comment-ruler.md", {("HAS_LICENSE", "cc-by-nc-4.0"), ("IN_LANGUAGE", "fr")}, {"acme-lab/river-7b"}),
        ("R02a-yaml-anchors.md", {("HAS_LICENSE", "llama3")}, {"acme-lab/river-7b"}),
        ("R02b-anchor-without-alias.md", {("HAS_LICENSE", "llama3")}, {"acme-lab/river-7b"}),
        ("R02c-duplicate-key.md", {("HAS_LICENSE", "cc-by-nc-4.0")}, {"acme-lab/river-7b"}),
        ("R02d-one-bad-line.md", set(), set()),
        ("R02e-jinja-left.md", set(), set()),
    ],
)
def test_cards(reports: Path, name: str, said: set[tuple[str, str]], parent: set[str]) -> None:
    (record,) = records(reports / name)
    assert (stated(record), parents(record)) == (said, parent)
    # What is no YAML for the Hub is none here either, and is named.
    assert [code for code, _ in record.notes] == ([] if said else ["bad_front_matter"])


def test_what_the_command_of_the_hub_library_prints(reports: Path) -> None:
    base, chat = records(reports / "R03a-hf-cli-list.json")
    assert stated(base) == {("HAS_LICENSE", "cc-by-nc-4.0"), ("IN_LANGUAGE", "en"), ("HAS_TASK", "text-generation")}
    assert {("HAS_LICENSE", "apache-2.0"), ("TRAINED_ON", "acme-lab/talks")} <= stated(chat)
    assert parents(chat) == {"acme-lab/river-7b"}
    assert (chat.details["created_at"], chat.details["last_modified"]) == (
        "2024-03-05T10:00:00Z",
        "2024-03-06T10:00:00Z",
    )
    (source,) = find_inputs([str(reports / "R03a-hf-cli-list.json")], reports)
    assert newest_date(source) == ("2024-03-06", 2)
    assert not base.notes + chat.notes


def test_the_variables_of_a_model_info(reports: Path) -> None:
    base, chat = records(reports / "R03b-modelinfo-vars.jsonl")
    assert ("IN_LANGUAGE", "en") in stated(base)
    assert base.details["license_files"] == ["LICENSE", "NOTICE"]
    assert chat.details["license_files"] == ["LICENSE", "NOTICE", "USE_POLICY.md"]
    assert chat.details["created_at"] == "2024-03-05T10:00:00Z"
    assert not base.notes + chat.notes


@pytest.mark.engine
@pytest.mark.parametrize("profile", ["default", "strict"])
def test_files_that_are_there_are_not_asked_for(
    local_store: Store, reports: Path, tmp_path: Path, profile: str
) -> None:
    load(local_store, [str(reports / "R03b-modelinfo-vars.jsonl")], LoadOptions(tmp_path))
    report = audit_models(local_store, ["otter/Llama-3-river-chat"], AuditOptions(profile=profile))
    assert not [row["rule"] for row in report.findings if str(row["rule"]).startswith("file")]


def test_the_cache_of_the_hub(reports: Path, tmp_path: Path) -> None:
    subprocess.run(["sh", str(reports / "R05-make-hf-cache.sh"), str(tmp_path)], check=True)
    pond = tmp_path / "hub" / "datasets--acme--pond" / "snapshots" / "0a1b"
    pond.mkdir(parents=True)
    (pond / "README.md").write_text("---\nlicense: mit\n---\n")
    for place in (tmp_path, tmp_path / "hub"):
        found = {(record.kind, record.id) for record in records(place)}
        assert found == {
            (RecordKind.MODEL, "gpt2"),
            (RecordKind.MODEL, "acme/river"),
            (RecordKind.DATASET, "acme/pond"),
        }


def test_no_input_costs_the_load(reports: Path) -> None:
    """Each input is read or refused by name, whatever its kind."""
    read = refused = 0
    for source in find_inputs([str(reports)], reports):
        try:
            for raw in read_records(source):
                decode_record(raw.text, source.kind)
                read += 1
        except RecordError as error:
            assert error.code
            refused += 1
    assert read > 10
    assert refused == 0


def test_names_that_mean_nothing_and_spellings_of_parents(local_store: Store, reports: Path, tmp_path: Path) -> None:
    files = [str(reports / name) for name in ("R04a-base-none.jsonl", "R04b-parent-spellings.jsonl")]
    load(local_store, files, LoadOptions(home=tmp_path))
    rows = local_store.run_user_query("MATCH (c:Model)-[:DERIVED_FROM]->(p:Model) RETURN c.id AS c, p.id AS p", {})[1]
    found = {(row["c"], row["p"]) for row in rows}
    river, brook = "acme-lab/river-7b", "acme-lab/brook-7b"
    kids = ("a-cache", "d-gguf-tag", "e-mirror", "f-markdown", "g-comma", "j-scheme")
    # A path on somebody's disk (k) and `None` name no parent.
    assert found == {(f"kid/{kid}", river) for kid in kids} | {("kid/g-comma", brook)}
    report = audit_models(local_store, ["kid/from-scratch", "alba/small-lm"], AuditOptions())
    assert not [row for row in report.findings if row["verdict"] == "violation"]


def test_licence_expressions(local_store: Store, reports: Path, tmp_path: Path) -> None:
    made = tmp_path / "R08.jsonl"
    subprocess.run([sys.executable, str(reports / "R08-licences.py"), str(made)], check=True)
    load(local_store, [str(made)], LoadOptions(home=tmp_path))
    children = [f"down/{name}" for name in ("or", "and", "comma", "url", "list", "nc", "flux", "of-mit-or")]
    report = audit_models(local_store, children, AuditOptions())
    worst = {
        child: max((row["verdict"] for row in report.findings if row["model"] == child), default="")
        for child in children
    }
    # OR leaves a choice, so nothing is found; AND, a comma and an address are the whole; a list of licences says neither.
    assert worst == {
        "down/or": "", "down/and": "violation", "down/comma": "violation", "down/url": "violation",
        "down/list": "needs_review", "down/nc": "violation", "down/flux": "violation", "down/of-mit-or": "violation",
    }  # fmt: skip
