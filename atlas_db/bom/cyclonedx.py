"""Bills of materials in CycloneDX 1.6 and 1.7 (ECMA-424): lineage as components and pedigree, with citations.

The library has no model for `modelCard` and `citations`, so both are added to its JSON. Its strict validator checks the
result.
"""

from __future__ import annotations

import json
from importlib.metadata import version
from typing import Any
from uuid import NAMESPACE_URL, uuid5

from cyclonedx.model import Property, XsUri
from cyclonedx.model.bom import Bom
from cyclonedx.model.component import Component, ComponentType, Pedigree
from cyclonedx.model.contact import OrganizationalEntity
from cyclonedx.model.license import DisjunctiveLicense, LicenseAcknowledgement
from cyclonedx.output import make_outputter
from cyclonedx.schema import OutputFormat, SchemaVersion
from cyclonedx.spdx import is_supported_id
from packageurl import PackageURL

from atlas_db.bom.collect import BomContents, BomEntry, ParentStep
from atlas_db.catalogue.loader import catalogue
from atlas_db.core.errors import BomError
from atlas_db.core.terms import SOFTWARE, Source
from ingest.normalise.license_ids import canonical_license_id

SPECS = {"1.7": SchemaVersion.V1_7, "1.6": SchemaVersion.V1_6}
TOOL = "tool:atlas-db"
_PREFIX = f"{SOFTWARE}:"
_STEP = ("relation", "status", "confidence")
_CLAIM = ("source", "confidence", "method", "first_seen", "last_seen")
_DECLARED = LicenseAcknowledgement.DECLARED
_CONCLUDED = LicenseAcknowledgement.CONCLUDED


def write_bom(contents: BomContents, spec: str = "1.7") -> dict[str, Any]:
    """Return the bill of a model as a CycloneDX document.

    Args:
        contents: The model, its ancestors and their training data.
        spec: 1.7 or 1.6; citations need 1.7.

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
    for component in components.values():
        if component is not root:
            bom.components.add(component)
    for part in contents.models.values():
        named = [components[_ref(step.id)] for step in contents.parents.get(part.id, ())]
        named += [components[_ref(name, dataset=True)] for name in contents.trained_on.get(part.id, ())]
        bom.register_dependency(components[reference(part)], named)
    text = make_outputter(bom, OutputFormat.JSON, SPECS[spec]).output_as_string()
    document: dict[str, Any] = json.loads(text)
    _add_cards(document, contents)
    if spec == "1.7":
        document["citations"] = _citations(document, contents)
    # Importing the validator takes two seconds.
    from cyclonedx.validation.json import JsonStrictValidator

    problem = JsonStrictValidator(SPECS[spec]).validate_str(json.dumps(document))
    if problem is not None:
        raise BomError(f"the bill of {contents.root} would be invalid: {problem}", hint="Report this as a fault")
    return document


def reference(entry: BomEntry) -> str:
    """Return the bom-ref of a model or dataset."""
    return _ref(entry.id, dataset=entry.dataset)


def _ref(identifier: str, *, dataset: bool = False) -> str:
    return f"{'dataset' if dataset else 'model'}:{identifier}"


def _properties(values: dict[str, Any]) -> list[Property]:
    return [Property(name=_PREFIX + name, value=str(value)) for name, value in values.items() if value is not None]


def _component(entry: BomEntry, contents: BomContents) -> Component:
    owner = entry.id.rpartition("/")[0]
    props = entry.props
    properties = {"id": entry.id, "last_seen": props.get("last_seen"), "audit_verdict": entry.verdict}
    if props.get("placeholder"):
        properties["placeholder"] = "true"
    component = Component(
        **_identity(entry),
        version=props.get("sha"),
        bom_ref=reference(entry),
        licenses=_licenses(entry),
        properties=_properties(properties),
    )
    if owner:
        component.manufacturer = OrganizationalEntity(name=owner, bom_ref=f"{reference(entry)}#publisher")
    if steps := contents.parents.get(entry.id):
        component.pedigree = Pedigree(ancestors=[_ancestor(step, contents) for step in steps])
    return component


def _identity(entry: BomEntry) -> dict[str, Any]:
    """Return type, name and package URL. The package URL type `huggingface` covers models, not datasets."""
    owner, _, name = entry.id.rpartition("/")
    has_package_url = owner and not entry.dataset
    return {
        "type": ComponentType.DATA if entry.dataset else ComponentType.MACHINE_LEARNING_MODEL,
        "name": name or entry.id,
        "group": owner or None,
        "purl": PackageURL("huggingface", owner, name, entry.props.get("sha")) if has_package_url else None,
    }


def _ancestor(step: ParentStep, contents: BomContents) -> Component:
    values = {"id": step.id, **{key: getattr(step, key) for key in _STEP}}
    return Component(**_identity(contents.models[step.id]), properties=_properties(values))


def _licenses(entry: BomEntry) -> list[DisjunctiveLicense]:
    found = []
    for claim in entry.licenses:
        if claim["source"] == Source.PREDICTED:
            continue  # a prediction is not a declaration
        properties = {"declared_as": claim["id"], **{key: claim.get(key) for key in _CLAIM}}
        found.append(_license(claim["id"], _DECLARED, properties))
    found += [
        _license(identifier, _CONCLUDED, {"method": f"{SOFTWARE} audit"}) for identifier in entry.concluded_licenses
    ]
    return found


def _license(
    identifier: str, acknowledgement: LicenseAcknowledgement, properties: dict[str, Any]
) -> DisjunctiveLicense:
    """Return a licence by its SPDX id where the SPDX list has one, otherwise by name."""
    entry = catalogue().get(canonical_license_id(identifier))
    spdx = entry.spdx if entry is not None and entry.spdx and is_supported_id(entry.spdx) else None
    return DisjunctiveLicense(
        id=spdx,
        name=None if spdx else (entry.name if entry is not None else identifier),
        url=XsUri(entry.source) if entry is not None else None,
        acknowledgement=acknowledgement,
        properties=_properties(properties),
    )


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
    found = []
    for component in _all_components(document):
        component_pointer = pointers[component["bom-ref"]]
        publisher = component.get("manufacturer", {}).get("bom-ref", TOOL)
        entries = contents.datasets if component["type"] == "data" else contents.models
        when = _timestamp(entries[_id_of(component)].props.get("last_seen") or document["metadata"]["timestamp"])
        for index, entry in enumerate(component.get("licenses", ())):
            declared = entry["license"].get("acknowledgement") == "declared"
            note = _declaration(entry["license"]) if declared else "concluded from the licences of all ancestors"
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
            found.append(_citation(pointer, publisher, when, f"declared training data {entry['ref']}"))
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
        declared = [
            _value(entry["license"], "declared_as")
            for entry in component.get("licenses", ())
            if entry["license"].get("acknowledgement") == "declared"
        ]
        licenses[component["bom-ref"]] = sorted(declared)
    return _id_of(document["metadata"]["component"]), edges, licenses
