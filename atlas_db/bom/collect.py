"""Contents of a bill of materials: a model, its ancestors, their training data and licences."""

from __future__ import annotations

import re
from collections import defaultdict
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any, NamedTuple

from packageurl import PackageURL

from atlas_db.bom.file_hashes import HashedFile, hash_files
from atlas_db.cards.card_description import description_of
from atlas_db.cards.card_store import newest_cards
from atlas_db.core.records import repository_path
from atlas_db.core.terms import METHODS, LicenseState, Progress, RecordKind, RecordPart, Source, Verdict
from atlas_db.licenses.audit import AuditOptions, Auditor
from atlas_db.licenses.audit_graph import TRAINED, AuditGraph, GraphBuilder, read_ancestry
from atlas_db.licenses.card_model import CardModel
from atlas_db.licenses.policy_check import FLAGGED
from atlas_db.licenses.rules import ABSENT, ORDER, RELATIONS, Check
from atlas_db.lineage.newest_records import NewestRecords, read_newest_records
from atlas_db.lineage.traversal import not_found_error
from atlas_db.store.bolt import Store
from atlas_db.store.statements import read_edges, read_nodes
from ingest.hub.api_listing import endpoint
from ingest.normalise.license_ids import canonical_license_id, normalise_license_id

_REPOSITORY = re.compile(r"[A-Za-z0-9][\w-]*(?:\.[\w-]+)*/[\w-]+(?:\.[\w-]+)*")
_HOST = re.compile(r"(?:^|\.)(?:co|com|org|net|io|ai|dev)$", re.IGNORECASE)


class BomContext(StrEnum):
    """What a bill is made from; the G7 calls it the generation context."""

    PLAN = "plan"
    FILES = "files"
    RECORDS = "records"


CONTEXT_WORDS = {
    BomContext.PLAN: "before the build: from the configuration of a merge that is not made yet",
    BomContext.FILES: "after the build: the model's files were read; what is above it is as records and files state",
    BomContext.RECORDS: "from records and cards of publishers; no file of weights was read",
}


@dataclass(slots=True)
class BomEntry:
    """One model or dataset.

    Attributes:
        id: Hub id.
        dataset: True for a dataset.
        props: Properties of its node.
        licences: Live licence claims: properties of the edge, with `id` of the licence as declared.
        verdict: Verdict of the audit, None for a dataset.
        concluded: Licence ids that the audit concludes to apply.
        license_state: What the atlas knows of its licence.
        license_files: Licence files with digests, of a model read from a folder.
        files: All its files with sizes and digests, where they were read.
        description: What its card says of it, where a card is known.
    """

    id: str
    dataset: bool
    props: dict[str, Any]
    licenses: list[dict[str, Any]] = field(default_factory=list)
    verdict: Verdict | None = None
    concluded_licenses: list[str] = field(default_factory=list)
    license_state: LicenseState = LicenseState.STATES_NONE
    license_files: list[dict[str, Any]] = field(default_factory=list)
    files: list[HashedFile] = field(default_factory=list)
    description: str | None = None

    @property
    def path(self) -> str:
        """Path of the repository, that of a dataset with `datasets/`."""
        return repository_path(self.id, RecordKind.DATASET if self.dataset else RecordKind.MODEL)

    @property
    def producer(self) -> str | None:
        """Owner of the repository, None where the id is none of a repository."""
        return self.id.partition("/")[0] if is_repository(self.id) else None

    def as_written(self, identifier: str) -> str:
        """Return a declared licence with the capital letters that its author wrote, where these are known."""
        known = [*self.props.get("licenses_as_written", ()), self.props.get("license_name") or ""]
        return next((each for each in known if normalise_license_id(each) == identifier), identifier)


class ParentStep(NamedTuple):
    """One step up from a model.

    Attributes:
        id: Id of the parent.
        relation: Relation of the edge.
        status: Its status.
        confidence: 0..1.
    """

    id: str
    relation: str
    status: str
    confidence: float


@dataclass(slots=True)
class BomContents:
    """Contents of one bill of materials.

    Attributes:
        root: Id of the model.
        models: The model and all its ancestors by id.
        datasets: Their declared training data by id.
        parents: Model id to the steps up from it.
        trained_on: Model id to ids of datasets, in order.
        newest: Dates of the newest records of the atlas.
        context: What it is made from.
    """

    root: str
    models: dict[str, BomEntry]
    datasets: dict[str, BomEntry]
    parents: dict[str, list[ParentStep]]
    trained_on: dict[str, list[str]]
    newest: NewestRecords
    context: BomContext = BomContext.RECORDS


def collect_contents(
    store: Store,
    model: str,
    profile: str = "default",
    folder: CardModel | None = None,
    progress: Progress = lambda *_: None,
    cards: Path | None = None,
) -> BomContents:
    """Read the contents of the bill of a model.

    Args:
        store: The store.
        model: Model id.
        profile: Rule profile of the audit that concludes licences.
        folder: The model, where it is read from a folder and not from the store.
        progress: Called with the progress of hashing its files, and those of models in folders above it.
        cards: Folder of the cards that were loaded, whose first paragraphs describe models and datasets.

    Raises:
        ModelNotFoundError: There is no such model.
        InputError: A file of the folder cannot be read.
    """
    build = GraphBuilder()
    graph = read_ancestry(store, [model] if folder is None else folder.add_to(build, store), build)
    models = _entries(store, graph.ids[: graph.models], dataset=False)
    if folder is not None:
        for read in folder.with_local():
            models[read.id] = _entry_of(read)
            if read.place is not None:
                models[read.id].files = hash_files(read.place, progress)
    elif model not in models:
        raise not_found_error(store, model)
    datasets = _entries(store, graph.ids[graph.models :], dataset=True)
    for entries, ids in ((models, graph.ids[: graph.models]), (datasets, graph.ids[graph.models :])):
        for name in ids:
            entries.setdefault(name, BomEntry(name, entries is datasets, {"placeholder": True}))
    if cards is not None:
        for entries, kind in ((models, RecordKind.MODEL), (datasets, RecordKind.DATASET)):
            lacking = [each.id for each in entries.values() if each.description is None]
            for name, card in newest_cards(cards, lacking, kind):
                entries[name].description = description_of(card)
    contents = BomContents(model, models, datasets, defaultdict(list), defaultdict(list), read_newest_records(store))
    if folder is not None and (folder.planned or folder.place is not None):
        contents.context = BomContext.PLAN if folder.planned else BomContext.FILES
    for child, edges in graph.parents.items():
        for edge in edges:
            above = graph.ids[edge.parent]
            if edge.strength == TRAINED:
                contents.trained_on[graph.ids[child]].append(above)
            else:
                step = ParentStep(above, str(RELATIONS[edge.strength]), edge.status, edge.confidence)
                contents.parents[graph.ids[child]].append(step)
    for sorted_lists in (contents.trained_on, contents.parents):
        for each in sorted_lists.values():
            each.sort()  # engines give edges in any order
    _conclude(graph, models, datasets, profile)
    return contents


def is_repository(identifier: str) -> bool:
    """Return whether an id is that of a repository, owner/name, and no path, address or model tag.

    The characters are those that the Hub allows (huggingface_hub, `validate_repo_id`).
    """
    owner, _, name = identifier.partition("/")
    whole = bool(_REPOSITORY.fullmatch(identifier)) and max(len(owner), len(name)) <= 96
    return whole and "--" not in identifier and not _HOST.search(owner)


def hub_address(entry: BomEntry) -> str | None:
    """Return the address of a repository on the Hub, at its revision where that is known; None for other ids."""
    if not is_repository(entry.id):
        return None
    sha = entry.props.get("sha")
    return f"{endpoint()}/{entry.path}" + (f"/tree/{sha}" if sha else "")


def package_url(entry: BomEntry) -> str | None:
    """Return the package URL of a model; its type `huggingface` covers no datasets (purl-spec)."""
    if entry.dataset or not is_repository(entry.id):
        return None
    owner, _, name = entry.id.partition("/")
    return PackageURL("huggingface", owner, name, entry.props.get("sha")).to_string()


def _entry_of(folder: CardModel) -> BomEntry:
    """Return the entry of a model that is read from a folder."""
    entry = BomEntry(folder.id, False, dict(folder.record.details))
    entry.description = None if folder.record.card is None else description_of(folder.record.card)
    for value in dict.fromkeys([*folder.declared_licenses(), *folder.found_licenses()]):
        in_card = value in folder.declared_licenses()
        claim = {"id": value, "source": Source.DECLARED, "confidence": 1.0}
        entry.licenses.append({**claim, "method": METHODS[RecordPart.CARD] if in_card else "license-file@1"})
    entry.license_files = folder.evidence()
    return entry


def _entries(store: Store, ids: list[str], *, dataset: bool) -> dict[str, BomEntry]:
    label = "Dataset" if dataset else "Model"
    entries = {row["id"]: BomEntry(row["id"], dataset, row["props"]) for row in store.read(read_nodes(label), ids=ids)}
    for row in store.read(read_edges("HAS_LICENSE", label, "License"), ids=ids):
        if row["props"].get("valid_to") is None:
            entries[row["a"]].licenses.append({**row["props"], "id": row["b"]})
    for part in entries.values():
        part.licenses.sort(key=lambda claim: (claim["source"], claim["id"]))
    return entries


def _conclude(graph: AuditGraph, models: dict[str, BomEntry], datasets: dict[str, BomEntry], profile: str) -> None:
    """Set concluded licences: the declared ones of a compliant model, otherwise those whose terms it must keep."""
    auditor = Auditor(graph, AuditOptions(profile))
    for index, name in enumerate(graph.ids):
        states = {auditor.policy.state_of(claim.id) for claim in auditor.policy.own_claims(index)}
        part = models[name] if index < graph.models else datasets[name]
        part.license_state = next(state for state in LicenseState if state in states)
    for index in range(graph.models):
        entry = models[graph.ids[index]]
        entry.verdict, findings = auditor.audit_model(index, all_findings=False)
        licenses = {
            each.license
            for each in findings
            if ORDER[each.verdict] >= FLAGGED and each.rule.check is Check.TERMS and each.license not in ABSENT
        }
        if entry.verdict in (Verdict.COMPLIANT, Verdict.OBLIGATIONS):
            # Their text tells "or later" and exceptions from what it means in ids of the catalogue.
            live = {claim.id for claim in graph.claims[index] if not claim.predicted}
            declared = [claim["id"] for claim in entry.licenses if claim["source"] != Source.PREDICTED]
            licenses = {each for each in declared if canonical_license_id(each) in live} or live
        entry.concluded_licenses = sorted(licenses)
