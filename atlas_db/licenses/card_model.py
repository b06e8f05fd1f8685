"""A model that is not in the atlas, read from its model card: a README.md, or a folder that has one."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from atlas_db.catalogue.expressions import has_terms
from atlas_db.claims.declared_parents import ParentDeclaration
from atlas_db.claims.lineage_sync import read_name_evidence
from atlas_db.claims.resolve import fuse_claims, resolve_declarations
from atlas_db.core.errors import InputError
from atlas_db.core.records import HubRecord, ParentClaim
from atlas_db.core.terms import RecordKind, Source, Status
from atlas_db.licenses.audit_graph import GraphBuilder, add_licenses, known_models, recorded_datasets
from atlas_db.licenses.license_files import LicenseFile, read_license_files
from atlas_db.licenses.rules import TRAINED_ON
from atlas_db.store.bolt import Store
from ingest.hub.decode import decode_record
from ingest.hub.local_repository import cached_repository, card_in
from ingest.normalise.license_ids import canonical_license_id

CARD = "README.md"
_NOW = "9999-12-31"


@dataclass(frozen=True, slots=True)
class CardModel:
    """A model as its model card describes it.

    Attributes:
        id: Name of the folder of the card.
        card: Path of its card.
        record: The card as a normalised record.
        license_files: Licence files beside it.
    """

    id: str
    card: Path
    record: HubRecord
    license_files: tuple[LicenseFile, ...] = ()

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

    def add_to(self, build: GraphBuilder, store: Store) -> tuple[set[str], list[str]]:
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

    def _parents(self, build: GraphBuilder, store: Store) -> tuple[set[str], list[str]]:
        claims = self.record.parents
        known = known_models(store, [claim.name for claim in claims]) if claims else set()
        for claim in claims:
            if claim.name in known:
                build.add_edge(self.id, claim.name, claim.relation, claim.confidence, Status.DECLARED)
        others = [claim for claim in claims if claim.name not in known]
        resolved, unresolved = self._resolve(others, build, store) if others else (set(), [])
        return known | resolved, unresolved

    def _resolve(self, claims: list[ParentClaim], build: GraphBuilder, store: Store) -> tuple[set[str], list[str]]:
        """Resolve names that are not ids, as a load does. This reads the names of all models in the atlas."""
        models, _ = read_name_evidence(store)
        declarations = [
            ParentDeclaration(self.id, c.name, c.part, c.relation, c.confidence, c.by, _NOW, _NOW, None) for c in claims
        ]
        lineage_claims = resolve_declarations(models, declarations)
        edges = list(fuse_claims(lineage_claims))
        for edge in edges:
            build.add_edge(self.id, edge.parent, edge.relation, edge.confidence, edge.status)
        parents = {edge.parent for edge in edges}
        return parents, [item.mention for item in lineage_claims if item.parent not in parents]


def is_path(word: str) -> bool:
    """Return whether a word names a model card or a folder with one, and no model id."""
    path = Path(word)
    holds_card = path.suffix.lower() == ".md" or (path.is_dir() and card_in(path) is not None)
    return holds_card or word.startswith((".", "/", "~"))


def read_card_model(path: Path) -> CardModel:
    """Read a README.md, or a folder that has one.

    Raises:
        InputError: There is no card, or it cannot be read.
    """
    cached = cached_repository(path)
    inside = cached.folder if cached else path
    card = (card_in(inside) or inside / CARD) if path.is_dir() else path
    try:
        text = card.read_bytes().decode("utf-8", errors="replace")
        folder = path.resolve() if path.is_dir() else path.resolve().parent
        row: dict[str, Any] = {"id": cached.id if cached else folder.name or "model", "card": text}
        # The Hub's cache may hold a part of the files only, so that what is not there is not known to be missing.
        if path.is_dir() and cached is None:
            row["siblings"] = [{"rfilename": str(file.relative_to(path))} for file in sorted(path.rglob("*"))]
        record = decode_record(msgspec.json.encode(row), RecordKind.MODEL)
    except OSError as error:
        raise InputError(
            f"{card} cannot be read ({error.strerror})", hint="Give a model id, a README.md or a folder that has one"
        ) from error
    return CardModel(record.id, card, record, read_license_files(inside) if path.is_dir() else ())
