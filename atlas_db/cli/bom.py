"""`atlas-db bom`: the CycloneDX bill of materials of a model with its whole lineage."""

from __future__ import annotations

import json
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from atlas_db.cli.common import StoreOption, guarded, opened, settings_for
from atlas_db.cli.output import errors, write_json
from atlas_db.core.files import write_whole

HELP = """Write a model's bill of materials (CycloneDX).

All ancestors and their training data are components. Lineage is the pedigree, licences are declared and concluded,
and version 1.7 cites the source of each claim. Licence files of a folder are evidence, with digest and text. A
component without a record is said to be not in this atlas, not to have no licence. The document is validated against
the schema of the standard before it is written. It is no legal advice.

Examples:

  atlas-db bom mlabonne/Beagle14-7B > bom.json

  atlas-db bom mlabonne/Beagle14-7B --spec 1.6 --out bom.json
"""


class Spec(StrEnum):
    """Versions of CycloneDX."""

    V1_7 = "1.7"
    V1_6 = "1.6"


@guarded
def bom(
    model: Annotated[
        str, typer.Argument(help="Model id, or the path of a README.md or a folder with one.", show_default=False)
    ],
    spec: Annotated[Spec, typer.Option("--spec", help="Version of CycloneDX.")] = Spec.V1_7,
    out: Annotated[Path | None, typer.Option("--out", "-o", help="File; standard output by default.")] = None,
    store: StoreOption = None,
) -> None:
    """Write the bill of materials of a model."""
    from atlas_db.bom.collect import collect_contents
    from atlas_db.bom.cyclonedx import write_bom
    from atlas_db.licenses.card_model import is_path, read_card_model

    with opened(settings_for(store)) as graph:
        folder = read_card_model(Path(model).expanduser()) if is_path(model) else None
        name = model if folder is None else folder.id
        document = write_bom(collect_contents(graph, name, folder=folder), spec.value)
    if out is None:
        write_json(document)
    else:
        write_whole(out, (json.dumps(document, ensure_ascii=False, indent=2) + "\n").encode())
        errors().print(f"{out}: {len(document.get('components', [])) + 1} components", markup=False)
