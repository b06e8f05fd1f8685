"""Inputs made after public reports on other tools, each read as its report says that it should be."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path

import pytest

from atlas_db.core.errors import RecordError, WeightsError
from atlas_db.core.records import HubRecord
from atlas_db.core.terms import RecordKind
from atlas_db.licenses.audit import AuditOptions, audit_models
from atlas_db.store.bolt import Store
from ingest.formats.open_model import open_model
from ingest.hub.decode import decode_record
from ingest.hub.snapshot import find_inputs, newest_date, read_records
from ingest.load.load_records import load
from ingest.load.stream import LoadOptions
from ingest.weights.chart import chart
from ingest.weights.fingerprints.fingerprint import compute_fingerprint
from ingest.weights.fingerprints.model_files import find_models
from ingest.weights.samples.resample import Resampler

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


@pytest.fixture(scope="module")
def weight_reports(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folders of weights that the scripts of the reports make out of the packaged sample."""
    made = tmp_path_factory.mktemp("reports")
    sample = files("atlas_db") / "sample" / "weights"
    for script, name in (("W-make_weights.py", "W"), ("W-make_pairs.py", "pairs")):
        command = [sys.executable, str(data / "reports" / script), str(sample), str(made / name)]
        subprocess.run(command, check=True, capture_output=True)
    return made


def charted(folder: Path) -> tuple[dict[str, tuple[str, str]], list[str]]:
    """Charted parent and relation of each model of a folder, and what was set aside."""
    prints, aside = [], []
    for item in find_models([folder]):
        try:
            with open_model(Path(item.folder)) as model:
                prints.append(compute_fingerprint(model, item.id))
        except WeightsError as error:
            aside.append(f"{item.id}: {error.reason}")
    edges = chart(prints, Resampler(), declared=True)
    return {edge.child: (edge.parent, edge.relation.value) for edge in edges}, aside


QUANTIZED, ADAPTER = ("tern-chat", "quantized"), ("plover", "adapter")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("folder", "expected"),
    [
        (
            "W/w2",
            dict.fromkeys(("adalora", "float-r", "null-flags", "null-patterns", "oft-r0", "plain", "regex"), ADAPTER),
        ),
        ("W/w4", dict.fromkeys(("split-3", "split-empty-first", "subfolder/Q8_0", "whole", "with-mmproj"), QUANTIZED)),
        ("W/w6", dict.fromkeys(("mlx-4bit", "mlx-8bit"), QUANTIZED) | {"peft-lora": ADAPTER}),
        ("W/w7", dict.fromkeys(("granite", "llama", "minicpm", "qwen2", "smollm3"), QUANTIZED)),
        ("W/w8", dict.fromkeys(("bnb-int8", "bnb-nf4"), QUANTIZED)),
        ("pairs/bnb", {"other-nf4": ("other", "quantized"), "tern-nf4": ("tern", "quantized")}),
        ("pairs/mlx", {"plover-mlx": ("plover", "quantized"), "tern-mlx": ("tern", "quantized")}),
    ],
)
def test_weights(weight_reports: Path, folder: str, expected: dict[str, tuple[str, str]]) -> None:
    found, aside = charted(weight_reports / folder)
    assert aside == []
    assert {child: found.get(child) for child in expected} == expected


@pytest.mark.parametrize("folder", ["w1", "w3", "w5"])
def test_weights_that_are_whole_are_read(weight_reports: Path, folder: str) -> None:
    """Configurations with NaN, tensors of new types, several sets of weights: none costs the model."""
    found, aside = charted(weight_reports / "W" / folder)
    assert aside == []
    copies = {"w1": {"infinity", "nan"}, "w3": {"one-f4", "e8m0", "fp8-f32-scale"},
              "w5": {"stale-index", "variant", "with-consolidated", "null-in-index"}}[folder]  # fmt: skip
    # Without dates, which of equal models is the copy is not known; that they are one is.
    assert {child for child, (_, relation) in found.items() if relation in ("duplicate", "quantized")} >= copies - {
        *(parent for parent, _ in found.values())
    }
