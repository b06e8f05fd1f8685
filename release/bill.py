"""Writes the bill of materials of the product itself: `python -m release.bill OUT`.

CycloneDX 1.6, by the library and the schema that models get theirs from. It lists every package that an installation
with all extras gets, with digests of its archives, its licence, and what needs it.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from uuid import NAMESPACE_URL, uuid5

from cyclonedx.contrib.license.factories import LicenseFactory
from cyclonedx.model import ExternalReference, ExternalReferenceType, HashAlgorithm, HashType, XsUri
from cyclonedx.model.bom import Bom
from cyclonedx.model.component import Component, ComponentType
from cyclonedx.output import make_outputter
from cyclonedx.schema import OutputFormat, SchemaVersion
from packageurl import PackageURL

from atlas_db.bom.cyclonedx_schema import schema_problem
from atlas_db.core.errors import BomError
from atlas_db.core.files import write_whole
from release.locked_packages import PRODUCT, LockedPackage, locked_packages

SPEC = SchemaVersion.V1_6


def product_bill() -> str:
    """Return the bill as text.

    Raises:
        BomError: It would be invalid.
    """
    packages = locked_packages()
    components = {name: _component(package) for name, package in packages.items()}
    root = components[PRODUCT]
    bom = Bom(serial_number=uuid5(NAMESPACE_URL, " ".join(sorted(each.url for each in packages.values()))))
    bom.metadata.component, bom.metadata.timestamp = root, None  # type: ignore[assignment]
    bom.components.update(each for each in components.values() if each is not root)
    for name, package in packages.items():
        bom.register_dependency(components[name], [components[each] for each in sorted(package.needs)])
    text = make_outputter(bom, OutputFormat.JSON, SPEC).output_as_string(indent=2)
    if problem := schema_problem(json.loads(text), SPEC.to_version()):
        raise BomError(f"the bill would be invalid: {problem}")
    return text


def _component(package: LockedPackage) -> Component:
    archives = [
        ExternalReference(
            type=ExternalReferenceType.DISTRIBUTION,
            url=XsUri(file),
            hashes=[HashType(alg=HashAlgorithm.SHA_256, content=digest)],
        )
        for file, digest in package.sha256.items()
    ]
    return Component(
        name=package.name,
        version=package.version,
        type=ComponentType.APPLICATION if package.name == PRODUCT else ComponentType.LIBRARY,
        bom_ref=package.url,
        purl=PackageURL("pypi", name=package.name, version=package.version),
        licenses=[LicenseFactory().make_from_string(package.license)],
        external_references=archives,
    )


def main(arguments: Sequence[str] | None = None) -> None:
    """Write the bill to a file."""
    parser = argparse.ArgumentParser(prog="python -m release.bill", description=__doc__)
    parser.add_argument("out", type=Path)
    options = parser.parse_args(arguments)
    write_whole(options.out, product_bill().encode())


if __name__ == "__main__":
    main()
