"""Bills of materials in CycloneDX 1.6 and 1.7 (ECMA-424): lineage as components and pedigree, with citations.

The library has no model for `modelCard` and `citations`, and writes no list of licences with an expression in it. So
these three are added to its JSON, and the published schema checks the result.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from importlib.metadata import version
from typing import Any
from uuid import NAMESPACE_URL, uuid5

from cyclonedx.model import ExternalReference, ExternalReferenceType, HashAlgorithm, HashType, Property, XsUri
from cyclonedx.model.bom import Bom
from cyclonedx.model.component import Component, ComponentType, Pedigree
from cyclonedx.model.contact import OrganizationalContact, OrganizationalEntity
from cyclonedx.model.lifecycle import LifecyclePhase, NamedLifecycle, PredefinedLifecycle
from cyclonedx.output import make_outputter
from cyclonedx.schema import OutputFormat, SchemaVersion
from cyclonedx.spdx import is_supported_id
from packageurl import PackageURL

from atlas_db.bom.accuracy import accuracy
from atlas_db.bom.collect import (
    CONTEXT_WORDS,
    BomContents,
    BomContext,
    BomEntry,
    ParentStep,
    hub_address,
    is_repository,
)
from atlas_db.bom.cyclonedx_schema import schema_problem
from atlas_db.bom.file_hashes import HashedFile
from atlas_db.catalogue.addresses import is_address
from atlas_db.catalogue.expressions import has_terms, parse_expression
from atlas_db.catalogue.loader import catalogue
from atlas_db.core.errors import BomError
from atlas_db.core.terms import SOFTWARE, RecordKind, Source
from atlas_db.lineage.weights_record import knowledge_of
from ingest.normalise.license_ids import canonical_license_id, normalise_license_id

SPECS = {"1.7": SchemaVersion.V1_7, "1.6": SchemaVersion.V1_6}
TOOL = "tool:atlas-db"
_PREFIX = f"{SOFTWARE}:"
_STEP = ("relation", "status", "confidence")
_CLAIM = ("source", "confidence", "method", "first_seen", "last_seen")
_DECLARED = "declared"
_CONCLUDED = "concluded"
_LIFECYCLES = {
    BomContext.PLAN: PredefinedLifecycle(LifecyclePhase.PRE_BUILD),
    BomContext.FILES: PredefinedLifecycle(LifecyclePhase.POST_BUILD),
    BomContext.RECORDS: NamedLifecycle("records", description=CONTEXT_WORDS[BomContext.RECORDS]),
}
_NOT_IN_ADDRESS = re.compile(r"[\s<>\"{}|\\^`]")
"""Characters that no address may have (RFC 3987)."""


def write_bom(contents: BomContents, spec: str = "1.7", author: str | None = None) -> dict[str, Any]:
    """Return the bill of a model as a CycloneDX document.

    Args:
        contents: The model, its ancestors and their training data.
        spec: 1.7 or 1.6; citations need 1.7.
        author: Who answers for the bill.

    Raises:
        BomError: The document would be invalid.
    """
    entries = [*contents.models.values(), *contents.datasets.values()]
    components = {reference(part): _component(part, contents) for part in entries}
    bom = Bom(serial_number=uuid5(NAMESPACE_URL, json.dumps([_PREFIX, contents.root, sorted(components)])))
    root = components[reference(contents.models[contents.root])]
    bom.metadata.component = root
    tool = Component(name=SOFTWARE, type=ComponentType.APPLICATION, version=version("model-atlas-db"), bom_ref=TOOL)
    bom.metadata.tools.components.add(tool)
    bom.metadata.lifecycles.add(_LIFECYCLES[contents.context])
    if author is not None:
        bom.metadata.authors.add(OrganizationalContact(name=author))
    for component in components.values():
        if component is not root:
            bom.components.add(component)
    scores = accuracy(contents)
    bom.metadata.properties.update(
        _properties({"completeness": scores["completeness"], "fields": scores["fields"]})
        + _properties({f"share_{name}": share for name, share in scores["shares"].items()})
    )
    for part in contents.models.values():
        named = [components[_ref(step.id)] for step in contents.parents.get(part.id, ())]
        named += [components[_ref(name, dataset=True)] for name in contents.trained_on.get(part.id, ())]
        bom.register_dependency(components[reference(part)], named)
    text = make_outputter(bom, OutputFormat.JSON, SPECS[spec]).output_as_string()
    document: dict[str, Any] = json.loads(text)
    _add_cards(document, contents)
    _add_licenses(document, contents, spec)
    if spec == "1.7":
        document["citations"] = _citations(document, contents)
    problem = schema_problem(document, spec)
    if problem is not None:
        raise BomError(f"the bill of {contents.root} would be invalid: {problem}", hint="Report this as a fault")
    return document


def reference(entry: BomEntry) -> str:
    """Return the bom-ref of a model or dataset."""
    return _ref(entry.id, dataset=entry.dataset)


def _ref(identifier: str, *, dataset: bool = False) -> str:
    return f"{'dataset' if dataset else 'model'}:{identifier}"


def _properties(values: dict[str, Any]) -> list[Property]:
    return [Property(**row) for row in _property_rows(values)]


def _component(entry: BomEntry, contents: BomContents) -> Component:
    props = entry.props
    properties = {"id": entry.path, "last_seen": props.get("last_seen"), "audit_verdict": entry.verdict}
    properties["license_state"] = entry.license_state
    properties |= {name: props.get(name) for name in ("license_name", "license_link")}
    if props.get("license_files"):
        properties["license_files"] = ", ".join(props["license_files"])
    if props.get("placeholder"):
        kind = RecordKind.DATASET if entry.dataset else RecordKind.MODEL
        properties["placeholder"] = "true"
        properties["known"] = knowledge_of(props)
        properties["not_in_atlas"] = f"no record of it here ({contents.newest.words(kind)}): fetch or load it"
    component = Component(
        **_identity(entry), version=props.get("sha"), bom_ref=reference(entry), properties=_properties(properties)
    )
    component.description = entry.description
    if entry.producer is not None:
        component.manufacturer = OrganizationalEntity(name=entry.producer, bom_ref=f"{reference(entry)}#publisher")
    for use, address in _addresses(entry):
        component.external_references.add(ExternalReference(type=use, url=XsUri(address)))
    for each in entry.files:
        component.components.add(_file(each, reference(entry)))
    if steps := contents.parents.get(entry.id):
        component.pedigree = Pedigree(ancestors=[_ancestor(step, contents) for step in steps])
    return component


def _addresses(entry: BomEntry) -> Iterator[tuple[ExternalReferenceType, str]]:
    """Yield where a repository and its card are, and the licence that the card links to."""
    if (address := hub_address(entry)) is not None:
        yield ExternalReferenceType.DISTRIBUTION, address
        if not entry.dataset:
            yield (
                ExternalReferenceType.MODEL_CARD,
                address.replace("/tree/", "/blob/", 1)
                + ("/README.md" if "/tree/" in address else "/blob/main/README.md"),
            )
    link = str(entry.props.get("license_link") or "")
    if link.startswith("https://") and not _NOT_IN_ADDRESS.search(link):
        yield ExternalReferenceType.LICENSE, link


def _file(each: HashedFile, owner: str) -> Component:
    return Component(
        name=each.name,
        type=ComponentType.FILE,
        bom_ref=f"{owner}#file:{each.name}",
        hashes=[HashType(alg=HashAlgorithm.SHA_256, content=each.sha256)],
        properties=_properties({"size": each.size}),
    )


def _identity(entry: BomEntry) -> dict[str, Any]:
    """Return type, name, owner and package URL.

    Only ids of repositories have an owner and a package URL. Its type `huggingface` covers models, not datasets
    (purl-spec, types/huggingface-definition). A dataset is named by its whole path, as a model may have its id.
    """
    if entry.dataset:
        return {"type": ComponentType.DATA, "name": entry.path}
    owner, _, name = entry.id.rpartition("/") if is_repository(entry.id) else ("", "", entry.id)
    return {
        "type": ComponentType.MACHINE_LEARNING_MODEL,
        "name": name,
        "group": owner or None,
        "purl": PackageURL("huggingface", owner, name, entry.props.get("sha")) if owner else None,
    }


def _ancestor(step: ParentStep, contents: BomContents) -> Component:
    values = {"id": step.id, **{key: getattr(step, key) for key in _STEP}}
    return Component(**_identity(contents.models[step.id]), properties=_properties(values))


def _add_licenses(document: dict[str, Any], contents: BomContents, spec: str) -> None:
    """Add the licences of each component. CycloneDX 1.6 allows one expression and no other licence with it."""
    parts = _parts(contents)
    for component in _all_components(document):
        part = parts[component["bom-ref"]]
        choices = _licenses(part)
        if part.license_files:
            component["evidence"] = {"licenses": _file_evidence(part)}
        whole = next((each for each in choices if "expression" in each), None)
        if spec == "1.6" and whole is not None:
            for each in choices:
                if each is not whole:
                    component["properties"] += _property_rows({f"{each['acknowledgement']}_license": _text_of(each)})
            choices = [{name: value for name, value in whole.items() if name != "properties"}]
        if choices:
            component["licenses"] = [each if "expression" in each else {"license": each} for each in choices]


def _parts(contents: BomContents) -> dict[str, BomEntry]:
    """Return all models and datasets of a bill by reference."""
    return {reference(part): part for part in (*contents.models.values(), *contents.datasets.values())}


def _file_evidence(entry: BomEntry) -> list[dict[str, Any]]:
    """Return the licence files of a component, each text with its id, or by name where none is recognised."""
    found = []
    for each in entry.license_files:
        for license_id, text in zip(each["licenses"] or [each["file"]], each["text_ids"] or [None], strict=False):
            properties = {name: each[name] for name in ("file", "sha256", "words_around", "agrees")} | {"text_id": text}
            found.append({"license": _license(license_id, _DECLARED, properties)})
    return found


def _licenses(entry: BomEntry) -> list[dict[str, Any]]:
    """Return the declared and concluded licences of a component; a prediction is not a declaration."""
    found = []
    for claim in entry.licenses:
        if claim["source"] != Source.PREDICTED:
            written = entry.as_written(claim["id"])
            properties = {"declared_as": written, **{key: claim.get(key) for key in _CLAIM}}
            found.append(_with_link(_license(written, _DECLARED, properties), entry, written))
    for identifier in entry.concluded_licenses:
        written = entry.as_written(identifier)
        concluded = _license(written, _CONCLUDED, {"method": f"{SOFTWARE} audit"})
        found.append(_with_link(concluded, entry, written))
    return found


def _with_link(choice: dict[str, Any], entry: BomEntry, written: str) -> dict[str, Any]:
    """Add the address that the card gives, where a licence is only named and the catalogue has no terms of it."""
    address = written if is_address(written) else str(entry.props.get("license_link") or "")
    if "name" not in choice or has_terms(written) or not is_address(address) or _NOT_IN_ADDRESS.search(address):
        return choice
    return {**choice, "url": address if "://" in address else f"https://{address.removeprefix('//')}"}


def _license(written: str, acknowledgement: str, properties: dict[str, Any]) -> dict[str, Any]:
    """Return a licence by its SPDX id, else as SPDX expression, else by name as written."""
    identifier = normalise_license_id(written)
    expression = parse_expression(written)
    entry = catalogue().get(canonical_license_id(identifier))
    spdx = expression.spdx if expression is not None else None
    named: dict[str, Any] = {"name": entry.name if entry is not None else written}
    if spdx is not None and is_supported_id(spdx):
        named = {"id": spdx}
    elif spdx is not None and (entry is None or spdx != entry.ref):
        named = {"expression": spdx}
    if entry is not None and "expression" not in named:
        named["url"] = entry.source
    return {**named, "acknowledgement": acknowledgement, "properties": _property_rows(properties)}


def _property_rows(values: dict[str, Any]) -> list[dict[str, str]]:
    return [{"name": _PREFIX + name, "value": str(value)} for name, value in values.items() if value is not None]


def _text_of(choice: dict[str, Any]) -> str:
    return str(choice.get("id") or choice.get("name") or choice["expression"])


def _add_cards(document: dict[str, Any], contents: BomContents) -> None:
    for component in _all_components(document):
        part = contents.models.get(_id_of(component))
        if part is None or component["type"] != "machine-learning-model":
            continue
        parameters: dict[str, Any] = {}
        for name, key in (("pipeline_tag", "task"), ("model_type", "architectureFamily")):
            if part.props.get(name):
                parameters[key] = part.props[name]
        if data := contents.trained_on.get(part.id):
            parameters["datasets"] = [{"ref": _ref(name, dataset=True)} for name in data]
        if parameters:
            component["modelCard"] = {"modelParameters": parameters}


def _all_components(document: dict[str, Any]) -> list[dict[str, Any]]:
    return [document["metadata"]["component"], *document.get("components", [])]


def _value(entry: dict[str, Any], name: str) -> str:
    return next((p["value"] for p in entry.get("properties", ()) if p["name"] == _PREFIX + name), "")


def _id_of(component: dict[str, Any]) -> str:
    return _value(component, "id")


def _citations(document: dict[str, Any], contents: BomContents) -> list[dict[str, Any]]:
    """Return the source of each licence, ancestor and dataset: the publisher, or this tool."""
    pointers = {component["bom-ref"]: f"/components/{n}" for n, component in enumerate(document.get("components", []))}
    pointers[document["metadata"]["component"]["bom-ref"]] = "/metadata/component"
    found, parts = [], _parts(contents)
    for component in _all_components(document):
        component_pointer = pointers[component["bom-ref"]]
        publisher = component.get("manufacturer", {}).get("bom-ref", TOOL)
        when = _timestamp(parts[component["bom-ref"]].props.get("last_seen") or document["metadata"]["timestamp"])
        for index, entry in enumerate(component.get("licenses", ())):
            choice = entry.get("license", entry)
            declared = choice.get("acknowledgement") == _DECLARED
            note = _declaration(choice) if declared else "concluded from the licences of all ancestors"
            found.append(
                _citation(f"{component_pointer}/licenses/{index}", publisher if declared else TOOL, when, note)
            )
        for index, entry in enumerate(component.get("pedigree", {}).get("ancestors", ())):
            status = _value(entry, "status")
            note = f"{_value(entry, 'relation')}, {status}, confidence {_value(entry, 'confidence')}"
            attributed_to = TOOL if status in ("undeclared", "predicted") else publisher
            found.append(_citation(f"{component_pointer}/pedigree/ancestors/{index}", attributed_to, when, note))
        for index, entry in enumerate(component.get("modelCard", {}).get("modelParameters", {}).get("datasets", ())):
            pointer = f"{component_pointer}/modelCard/modelParameters/datasets/{index}"
            named = parts[entry["ref"]].path
            found.append(_citation(pointer, publisher, when, f"declared training data {named}"))
    return found


def _declaration(entry: dict[str, Any]) -> str:
    text, method, confidence = (_value(entry, name) for name in ("declared_as", "method", "confidence"))
    return f"declared as {text}, read by {method}, confidence {confidence}"


def _citation(pointer: str, who: str, when: str, note: str) -> dict[str, Any]:
    return {"pointers": [pointer], "attributedTo": who, "timestamp": when, "note": note}


def _timestamp(text: str) -> str:
    return f"{text}T00:00:00Z" if len(text) == 10 else text


def read_bom(document: dict[str, Any]) -> tuple[str, set[tuple[str, str, str, str, float]], dict[str, list[str]]]:
    """Read back what `write_bom` wrote.

    Returns:
        Id of the model; lineage edges (child, parent, relation, status, confidence); declared licences of each
        component, as written, by bom-ref.
    """
    edges = set()
    licenses: dict[str, list[str]] = {}
    for component in _all_components(document):
        for entry in component.get("pedigree", {}).get("ancestors", ()):
            relation, status, confidence = (_value(entry, key) for key in _STEP)
            edges.add((_id_of(component), _id_of(entry), relation, status, float(confidence)))
        choices = [entry.get("license", entry) for entry in component.get("licenses", ())]
        declared = [
            _value(choice, "declared_as") or _text_of(choice)
            for choice in choices
            if choice.get("acknowledgement") == _DECLARED
        ]
        licenses[component["bom-ref"]] = sorted(declared)
    return _id_of(document["metadata"]["component"]), edges, licenses
