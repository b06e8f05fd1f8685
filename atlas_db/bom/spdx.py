"""Bills of materials in SPDX 3.0.1, AI profile: models, datasets, their lineage, declared and concluded licences.

Written with the bindings that the SPDX project generates from its SHACL model; they check types and cardinalities.
"""

from __future__ import annotations

import io
import json
import re
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from typing import Any
from urllib.parse import quote
from uuid import NAMESPACE_URL, uuid5

from spdx_python_model import v3_0_1 as spdx

from atlas_db.bom.accuracy import accuracy
from atlas_db.bom.collect import CONTEXT_WORDS, BomContents, BomContext, BomEntry, hub_address, package_url
from atlas_db.catalogue.expressions import parse_expression
from atlas_db.catalogue.loader import catalogue
from atlas_db.core.errors import BomError
from atlas_db.core.terms import SOFTWARE, Source
from ingest.normalise.license_ids import canonical_license_id

_NO_ASSERTION = spdx.expandedlicensing_IndividualLicensingInfo.NoAssertionLicense
_NOT_IN_REFERENCE = re.compile(r"[^A-Za-z0-9.-]+")
_NEEDED = ("suppliedBy", "software_downloadLocation", "software_packageVersion", "releaseTime")
"""Properties that the AI profile requires of each package, beside the purpose."""


def write_spdx(contents: BomContents, author: str | None = None) -> dict[str, Any]:
    """Return the bill of a model as an SPDX 3.0.1 document in JSON-LD.

    Conformance with the profile `ai` is stated only where each model has what the profile requires. What is not known
    is left out, or is NoAssertion.

    Args:
        contents: The model, its ancestors and their training data.
        author: Who answers for the bill; the tool itself where nobody does.

    Raises:
        BomError: The document would be invalid.
    """
    try:
        return _Writer(contents).document(author)
    except (ValueError, TypeError) as error:
        raise BomError(
            f"the bill of {contents.root} would be invalid: {error}", hint="Report this as a fault"
        ) from error


class _Writer:
    """Makes the elements of one document."""

    def __init__(self, contents: BomContents) -> None:
        self._contents = contents
        self._base = f"urn:uuid:{uuid5(NAMESPACE_URL, json.dumps([SOFTWARE, contents.root, 'spdx']))}"
        self._objects = spdx.SHACLObjectSet()
        self._elements: list[Any] = []
        self._info = spdx.CreationInfo(specVersion="3.0.1", created=datetime.now(UTC).replace(microsecond=0))
        self._agents: dict[str, Any] = {}
        self._licenses: dict[str, Any] = {}
        self._packages: dict[tuple[str, bool], Any] = {}

    def _new(self, kind: Any, local: str, **values: Any) -> Any:  # noqa: ANN401
        """Return a new element, by a local name that no other element of this document has."""
        element = kind(_id=f"{self._base}#{quote(local, safe='/:.-')}", creationInfo=self._info)
        for key, value in values.items():
            if value not in (None, []):
                setattr(element, key, value)
        self._objects.add(element)
        self._elements.append(element)
        return element

    def document(self, author: str | None) -> dict[str, Any]:
        """Return the whole document."""
        contents = self._contents
        self._objects.add(self._info)
        if author is None:
            creator = self._new(spdx.SoftwareAgent, "agent/atlas-db", name=SOFTWARE)
        else:
            creator = self._new(spdx.Agent, "author", name=author)
        tool = self._new(spdx.Tool, "tool/atlas-db", name=f"{SOFTWARE} {version('model-atlas-db')}")
        self._info.createdBy, self._info.createdUsing = [creator], [tool]
        for entry in (*contents.models.values(), *contents.datasets.values()):
            self._packages[entry.id, entry.dataset] = self._package(entry)
        for entry in (*contents.models.values(), *contents.datasets.values()):
            self._describe(entry)
        root, kinds = self._packages[contents.root, False], spdx.software_SbomType
        sbom = self._new(
            spdx.software_Sbom, "sbom", name=f"Bill of materials of {contents.root}", rootElement=[root],
            software_sbomType=[kinds.design if contents.context is BomContext.PLAN else kinds.analyzed],
            comment=CONTEXT_WORDS[contents.context], profileConformance=self._profiles(),
        )  # fmt: skip
        sbom.element = [each for each in self._elements if each is not sbom]
        document = self._new(
            spdx.SpdxDocument, "document", name=f"Bill of materials of {contents.root}", rootElement=[sbom],
            profileConformance=self._profiles(),
        )  # fmt: skip
        self._new(
            spdx.Annotation, "accuracy", annotationType=spdx.AnnotationType.other, subject=sbom,
            contentType="application/json", statement=json.dumps(accuracy(contents)),
        )  # fmt: skip
        document.element = [each for each in self._elements if each is not document]
        buffer = io.BytesIO()
        spdx.JSONLDSerializer().write(self._objects, buffer, force_at_graph=True)
        value: dict[str, Any] = json.loads(buffer.getvalue())
        return value

    def _profiles(self) -> list[str]:
        kinds = spdx.ProfileIdentifierType
        found = [kinds.core, kinds.software, kinds.simpleLicensing]
        models = [each for (_, dataset), each in self._packages.items() if not dataset]
        if all(getattr(each, name) for each in models for name in _NEEDED):
            found.append(kinds.ai)
        return found

    def _package(self, entry: BomEntry) -> Any:  # noqa: ANN401
        props = entry.props
        common = {
            "name": entry.path,
            "software_packageVersion": props.get("sha"),
            "software_downloadLocation": hub_address(entry),
            "software_packageUrl": package_url(entry),
            "releaseTime": _moment(props.get("created_at")),
            "suppliedBy": None if entry.producer is None else self._agent(entry.producer),
            "description": entry.description,
        }
        name = f"{'dataset' if entry.dataset else 'model'}/{entry.id}"
        if entry.dataset:
            return self._new(
                spdx.dataset_DatasetPackage, name, software_primaryPurpose=spdx.software_SoftwarePurpose.data,
                dataset_datasetType=[spdx.dataset_DatasetType.noAssertion], **common,
            )  # fmt: skip
        return self._new(
            spdx.ai_AIPackage, name, software_primaryPurpose=spdx.software_SoftwarePurpose.model,
            ai_typeOfModel=[props["model_type"]] if props.get("model_type") else [],
            ai_domain=[props["pipeline_tag"]] if props.get("pipeline_tag") else [],
            comment=f"Licence state: {entry.license_state}; audit verdict: {entry.verdict}", **common,
        )  # fmt: skip

    def _agent(self, name: str) -> Any:  # noqa: ANN401
        if name not in self._agents:
            self._agents[name] = self._new(spdx.Organization, f"agent/{name}", name=name)
        return self._agents[name]

    def _describe(self, entry: BomEntry) -> None:
        """Add licences, parents, training data and files of a model or dataset."""
        package, kinds, contents = self._packages[entry.id, entry.dataset], spdx.RelationshipType, self._contents
        declared = [entry.as_written(claim["id"]) for claim in entry.licenses if claim["source"] != Source.PREDICTED]
        self._relate(package, kinds.hasDeclaredLicense, [self._license(declared)])
        self._relate(package, kinds.hasConcludedLicense, [self._license(entry.concluded_licenses)])
        if entry.dataset:
            return
        for step in contents.parents.get(entry.id, ()):
            note = f"{step.relation}, {step.status}, confidence {step.confidence}"
            self._relate(package, kinds.descendantOf, [self._packages[step.id, False]], note)
        data = [self._packages[name, True] for name in contents.trained_on.get(entry.id, ())]
        if data:
            self._relate(package, kinds.trainedOn, data, "declared by the author")
        files = [
            self._new(
                spdx.software_File, f"file/{each.name}", name=each.name, comment=f"{each.size} bytes",
                verifiedUsing=[spdx.Hash(algorithm=spdx.HashAlgorithm.sha256, hashValue=each.sha256)],
            )
            for each in entry.files
        ]  # fmt: skip
        if files:
            self._relate(package, kinds.contains, files)

    def _relate(self, source: Any, kind: str, targets: Sequence[Any], comment: str = "") -> None:  # noqa: ANN401
        number = sum(isinstance(each, spdx.Relationship) for each in self._elements)
        self._new(
            spdx.Relationship, f"relationship/{number}", from_=source, relationshipType=kind, to=list(targets),
            comment=comment or None,
        )  # fmt: skip

    def _license(self, written: Iterable[str]) -> Any:  # noqa: ANN401
        """Return the licence that all of some declared ones make together, NoAssertion where there is none."""
        parts, references = [], {}
        for each in dict.fromkeys(written):
            text, source = _expression(each)
            parts.append(f"({text})" if " " in text else text)
            if source:
                references[text] = source
        if not parts:
            return _NO_ASSERTION
        whole = " AND ".join(parts) if len(parts) > 1 else parts[0].removeprefix("(").removesuffix(")")
        if whole not in self._licenses:
            self._licenses[whole] = self._new(
                spdx.simplelicensing_LicenseExpression, f"license/{len(self._licenses)}",
                simplelicensing_licenseExpression=whole,
                simplelicensing_customIdToUri=[
                    spdx.DictionaryEntry(key=key, value=value) for key, value in references.items()
                ],
            )  # fmt: skip
        return self._licenses[whole]


def _expression(written: str) -> tuple[str, str]:
    """Return a licence as SPDX writes it, and the address of its text where SPDX has no id for it."""
    entry = catalogue().get(canonical_license_id(written))
    if entry is not None:
        return (entry.spdx, "") if entry.spdx is not None else (entry.ref, entry.source)
    expression = parse_expression(written)
    if expression is not None and expression.spdx is not None:
        return expression.spdx, ""
    name = _NOT_IN_REFERENCE.sub("-", written).strip("-") or "unnamed"
    return f"LicenseRef-declared-{name}", ""


def _moment(text: str | None) -> datetime | None:
    return None if not text else datetime.fromisoformat(text).astimezone(UTC).replace(microsecond=0)
