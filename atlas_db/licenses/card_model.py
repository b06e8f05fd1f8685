"""A model that is not in the atlas, read from its model card, or from all that the files of its folder state."""

from __future__ import annotations

import errno
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from atlas_db.catalogue.expressions import has_terms
from atlas_db.claims.declared_parents import ParentDeclaration
from atlas_db.claims.lineage_sync import read_name_evidence
from atlas_db.claims.model_names import NameEvidence
from atlas_db.claims.repository_ids import repository_name
from atlas_db.claims.resolve import fuse_claims, resolve_declarations
from atlas_db.core.errors import InputError
from atlas_db.core.files import printable, read_text_file
from atlas_db.core.records import HubRecord
from atlas_db.core.terms import RecordKind, Source, Status
from atlas_db.licenses.audit_graph import GraphBuilder, add_licenses, known_models, recorded_datasets
from atlas_db.licenses.completeness import UnresolvedParent, unresolved_of_claims
from atlas_db.licenses.license_files import LicenseFile, read_license_files
from atlas_db.licenses.rules import TRAINED_ON
from atlas_db.store.bolt import Store
from ingest.hub.decode import decode_record
from ingest.hub.hub_row import Notes
from ingest.hub.local_repository import (
    BROKEN,
    LocalRepository,
    cached_repository,
    card_in,
    read_repository,
    weights_repository,
)
from ingest.hub.repository_files import UNREAD_FILE
from ingest.normalise.license_ids import canonical_license_id

CARD = "README.md"
_NOW = "9999-12-31"
_UNREAD = frozenset({UNREAD_FILE, BROKEN, "bad_front_matter", "bad_merge_config"})
"""Codes of notes on files that could not be read."""


@dataclass(frozen=True, slots=True)
class CardModel:
    """A model as its model card describes it.

    Attributes:
        id: Name of the folder of the card.
        card: Path of its card.
        record: The card as a normalised record.
        license_files: Licence files beside it.
        notes: What of it could not be read, as (code, text).
    """

    id: str
    card: Path
    record: HubRecord
    license_files: tuple[LicenseFile, ...] = ()
    notes: tuple[tuple[str, str], ...] = ()

    def note_rows(self) -> list[dict[str, Any]]:
        """Return the notes as rows: `code`, `text`, and `unread` where what a file states is lost."""
        return [{"code": code, "text": text, "unread": code in _UNREAD} for code, text in self.notes]

    def declared_licenses(self) -> list[str]:
        """Return the licences that the card declares, as written."""
        return [claim.value for claim in self.record.claims if claim.rel == "HAS_LICENSE"]

    def found_licenses(self) -> list[str]:
        """Return the licences found in files of the folder itself, where the card declares none that can be read."""
        if any(has_terms(canonical_license_id(each)) for each in self.declared_licenses()):
            return []
        own = (file for file in self.license_files if "/" not in file.file and file.is_unchanged)
        return list(dict.fromkeys(each for file in own for each in file.licenses))

    def evidence(self) -> list[dict[str, Any]]:
        """Return each licence file as evidence, with its digest and the texts in it."""
        declared = [canonical_license_id(each) for each in self.declared_licenses()]
        return [file.evidence(declared) for file in self.license_files]

    def add_to(self, build: GraphBuilder, store: Store) -> tuple[set[str], list[UnresolvedParent]]:
        """Add the model and its parents to a graph; return the ids of the parents and the unresolved names."""
        record = self.record
        files = record.details.get("license_files")
        build.add_model([self.id, False, record.details.get("pipeline_tag"), None, files])
        data = []
        for claim in record.claims:
            if claim.rel == "HAS_LICENSE":
                build.add_license("Model", self.id, claim.value, Source.DECLARED, claim.confidence, None)
            elif claim.rel == "TRAINED_ON":
                build.add_edge(self.id, claim.value, TRAINED_ON, claim.confidence, Status.DECLARED)
                data.append(claim.value)
        for license_id in self.found_licenses():
            build.add_license("Model", self.id, license_id, Source.DECLARED, 1.0, None)
        build.mark_unseen(set(data) - recorded_datasets(store, data))
        add_licenses(store, build, "Dataset", data)
        return self._parents(build, store)

    def _parents(self, build: GraphBuilder, store: Store) -> tuple[set[str], list[UnresolvedParent]]:
        """Resolve the names of parents as a load does. Names that are no ids take the names of all models to read."""
        claims = self.record.parents
        if not claims:
            return set(), []
        names = {repository_name(claim.name) for claim in claims}
        known = known_models(store, sorted(names))
        models = {name: NameEvidence(0, None) for name in known}
        if names - known:
            models |= read_name_evidence(store)[0]
        declarations = [
            ParentDeclaration(
                self.id, c.name, c.part, c.relation, c.confidence, c.by, _NOW, _NOW, None, c.relation_word, c.merge
            )
            for c in claims
        ]
        lineage_claims = resolve_declarations(models, declarations)
        edges = list(fuse_claims(lineage_claims))
        for edge in edges:
            build.add_edge(self.id, edge.parent, edge.relation, edge.confidence, edge.status)
        parents = {edge.parent for edge in edges}
        return parents, unresolved_of_claims(lineage_claims, parents)


def is_path(word: str) -> bool:
    """Return whether a word names a model card, a folder of a model or an entry of the Hub's cache, and no model id."""
    path = Path(word)
    if path.suffix.lower() == ".md" or word.startswith((".", "/", "~")):
        return True
    if not path.is_dir():
        return False
    return any(found(path) is not None for found in (card_in, weights_repository, cached_repository))


def read_card_model(path: Path) -> CardModel:
    """Read a README.md, or a folder of a model: its card, its configuration, and what its files state.

    A folder of weights without any of these is a model that states nothing.

    Raises:
        InputError: There is neither a card nor a file of a model, it cannot be read, or it is no model's.
    """
    folder = path.resolve() if path.is_dir() else path.resolve().parent
    found = cached_repository(path) or LocalRepository(printable(folder.name) or "model", RecordKind.MODEL, folder)
    if found.kind != RecordKind.MODEL:
        raise InputError(f"{printable(path)} is a {found.kind}, not a model", hint="Name a model's folder or id")
    if found.missing:
        raise InputError(found.notes[0][1], hint="Download the model again, or give another folder")
    try:
        card = (card_in(found.folder) or found.folder / CARD) if path.is_dir() else path
        row, notes = _read(path, found, card)
    except OSError as error:
        raise InputError(
            f"{printable(path / CARD if path.is_dir() else path)} cannot be read ({error.strerror})",
            hint="Give a model id, a README.md, or a folder with one, with weights or with a configuration",
        ) from error
    record = decode_record(msgspec.json.encode(row), RecordKind.MODEL)
    files = read_license_files(found.folder) if path.is_dir() else ()
    return CardModel(record.id, card, record, files, (*notes, *record.notes))


def _read(path: Path, found: LocalRepository, card: Path) -> tuple[dict[str, Any], Notes]:
    """Return a card, or a folder, as a row of the Hub's API, with notes on what could not be read.

    Raises:
        OSError: There is no file of a model.
    """
    if not path.is_dir():
        return {"id": found.id, "card": read_text_file(card)}, []
    row, notes = read_repository(found)
    if not row.keys() & {"card", "config", "file_metadata"} and not notes and weights_repository(found.folder) is None:
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT))
    # The Hub's cache may hold a part of the files only, so that what is not there is not known to be missing.
    if not found.cached:
        files = sorted(file for file in found.folder.rglob("*") if not file.is_dir())
        row["siblings"] = [{"rfilename": printable(file.relative_to(found.folder))} for file in files]
    return row, notes
