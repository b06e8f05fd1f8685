"""A model that is not in the atlas, read from its card, its folder, one file of weights, or the recipe of a merge."""

from __future__ import annotations

import errno
import os
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import msgspec

from atlas_db.cards.front_matter import value_lines
from atlas_db.catalogue.expressions import has_terms
from atlas_db.claims.declared_parents import ParentDeclaration
from atlas_db.claims.lineage_sync import read_name_evidence
from atlas_db.claims.model_names import NameEvidence
from atlas_db.claims.repository_ids import repository_name
from atlas_db.claims.resolve import fuse_claims, resolve_declarations
from atlas_db.core.errors import InputError, WeightsError
from atlas_db.core.files import printable, read_text_file, reason_of, resolved
from atlas_db.core.records import HubRecord
from atlas_db.core.terms import RecordKind, Source, Status
from atlas_db.licenses.audit_graph import GraphBuilder, add_licenses, known_models, recorded_datasets
from atlas_db.licenses.completeness import unresolved_of_claims
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
from ingest.hub.repository_files import MERGE_CONFIGS, UNREAD_FILE, read_file_statements
from ingest.normalise.license_ids import canonical_license_id

CARD = "README.md"
_NOW = "9999-12-31"
_UNREAD = frozenset({UNREAD_FILE, BROKEN, "bad_front_matter", "bad_merge_config"})
"""Codes of notes on files that could not be read."""
_RECIPES = (".yml", ".yaml")
_WEIGHTS = (".gguf", ".safetensors")
_PARTS_OF_A_FOLDER = frozenset({
    "adapter_config.json", "adapter_model.safetensors", "adapters.safetensors", "config.json", "model.safetensors",
    "diffusion_pytorch_model.safetensors", "model_index.json",
})  # fmt: skip
"""Names of files that stand for the folder in which they lie, as peft, transformers and diffusers write them."""


@dataclass(frozen=True, slots=True)
class CardModel:
    """A model as its model card describes it.

    Attributes:
        id: Name of the folder of the card, or of the file without its ending. Its path, where that name means another.
        card: Path of its card, or of the file that was read in its place.
        record: The card as a normalised record.
        license_files: Licence files beside it.
        notes: What of it could not be read, as (code, text).
        planned: True for the recipe of a merge, which is no model yet.
        place: The folder that was read whole, or the file of weights; None where a card alone was given.
        lines: Lines of its card by key and value, as `value_lines` gives them.
        local: Models in folders that are above it, each once; their ids are paths.
    """

    id: str
    card: Path
    record: HubRecord
    license_files: tuple[LicenseFile, ...] = ()
    notes: tuple[tuple[str, str], ...] = ()
    planned: bool = False
    place: Path | None = None
    lines: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    local: tuple[CardModel, ...] = ()

    def with_local(self) -> tuple[CardModel, ...]:
        """Return the model, and those in folders above it."""
        return (self, *self.local)

    @property
    def is_read(self) -> bool:
        """Whether nothing that its files state, or those of the folders above it, is lost."""
        return not any(code in _UNREAD for each in self.with_local() for code, _ in each.notes)

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

    def with_names(self, renamed: Mapping[str, str]) -> CardModel:
        """Return it with other names of its parents.

        Args:
            renamed: New name of a parent, by its id as the card means it.
        """
        parents = [
            each._replace(name=renamed.get(repository_name(each.name), each.name)) for each in self.record.parents
        ]
        local = tuple(each.with_names(renamed) for each in self.local)
        return replace(self, record=replace(self.record, parents=parents), local=local)

    def parent_names(self) -> set[str]:
        """Return the names of all its parents, and of those of the models in folders above it."""
        return {repository_name(claim.name) for each in self.with_local() for claim in each.record.parents}

    def data(self) -> list[str]:
        """Return the ids of the datasets that the card declares."""
        return [claim.value for claim in self.record.claims if claim.rel == "TRAINED_ON"]

    def add_to(self, build: GraphBuilder, store: Store) -> set[str]:
        """Add the model, those in folders above it and their parents to a graph.

        Returns:
            Ids of the parents that are in no folder.
        """
        local = {each.id for each in self.local}
        names = set[str]()
        for each in self.with_local():
            if each.id not in build:
                names |= each._add_alone(build, store, local) - local
        return names

    def _add_alone(self, build: GraphBuilder, store: Store, local: set[str]) -> set[str]:
        record = self.record
        files = record.details.get("license_files")
        build.add_model([self.id, False, record.details.get("pipeline_tag"), None, files])
        data = self.data()
        for claim in record.claims:
            if claim.rel == "HAS_LICENSE":
                build.add_license("Model", self.id, claim.value, Source.DECLARED, claim.confidence, None)
            elif claim.rel == "TRAINED_ON":
                build.add_edge(self.id, claim.value, TRAINED_ON, claim.confidence, Status.DECLARED)
        for license_id in self.found_licenses():
            build.add_license("Model", self.id, license_id, Source.DECLARED, 1.0, None)
        build.mark_unseen(set(data) - recorded_datasets(store, data))
        add_licenses(store, build, "Dataset", data)
        return self._parents(build, store, local)

    def _parents(self, build: GraphBuilder, store: Store, local: set[str]) -> set[str]:
        """Resolve the names of parents as a load does. Names that are no ids take the names of all models to read."""
        claims = self.record.parents
        if not claims:
            return set()
        names = {repository_name(claim.name) for claim in claims}
        known = known_models(store, sorted(names - local)) | (names & local)
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
        build.add_unresolved(unresolved_of_claims(lineage_claims, parents))
        return parents


def read_card_model(path: Path) -> CardModel:
    """Read a README.md, a folder of a model with all that its files state, a file of weights, or the recipe of a merge.

    A folder of weights without more is a model that states nothing. A file in the Hub's cache, and one whose name tools
    give to the weights of a folder, stand for that folder.

    Raises:
        InputError: There is neither a card nor a file of a model, it cannot be read, or it is no model's.
    """
    if path.is_file() and path.suffix.lower() != ".md":
        if path.name in _PARTS_OF_A_FOLDER or cached_repository(path) is not None:
            path = path.parent
        elif path.suffix.lower() in (*_WEIGHTS, *_RECIPES):
            return _read_file(path)
        else:
            raise InputError(
                f"{printable(path)} is no file that states where a model comes from",
                hint="Give the model's folder, its README.md, a .gguf or .safetensors file, or a merge configuration; "
                "a list of models goes to --file, and an id of the Hub that is a file here is hf://…",
            )
    folder = resolved(path) if path.is_dir() else resolved(path).parent
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
    lines = value_lines(row.get("card", ""))
    return CardModel(
        record.id,
        card,
        record,
        files,
        (*notes, *record.notes),
        place=found.folder if path.is_dir() else None,
        lines=lines,
    )


def _read_file(path: Path) -> CardModel:
    """Read a file of weights, or the recipe of a merge, by what it states itself.

    Raises:
        InputError: It cannot be read, or a recipe names no model.
    """
    planned = path.suffix.lower() in _RECIPES
    try:
        statements = read_file_statements(path)
    except (OSError, ValueError, WeightsError) as error:
        raise InputError(
            f"{printable(path)} cannot be read ({reason_of(error)})",
            hint="Fetch the file again, or give the folder, the card or the id of the model",
        ) from error
    stem = resolved(path).parent.name if path.name in MERGE_CONFIGS else path.stem
    row = {"id": printable(stem) or "model", "file_metadata": {kind: [each] for kind, each in statements.items()}}
    record = decode_record(msgspec.json.encode(row), RecordKind.MODEL)
    if planned and not record.parents:
        reason = next((text for code, text in record.notes if code in _UNREAD), "it names no model")
        raise InputError(
            f"{printable(path)} is no recipe of a merge: {reason}",
            hint="Give a configuration of mergekit, with merge_method and models or slices",
        )
    notes = list(record.notes)
    if not planned and card_in(resolved(path).parent) is not None:
        notes.append(("card_beside", "the card beside this file was not read: give the folder if it is this model's"))
    return CardModel(record.id, path, record, (), tuple(notes), planned, place=None if planned else path)


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
