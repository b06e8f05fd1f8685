"""`atlas-db bom`: the CycloneDX bill of materials of a model with its whole lineage."""

from __future__ import annotations

import json
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from atlas_db.cli.common import StoreOption, guarded, settings_for
from atlas_db.cli.output import errors, write_json
from atlas_db.cli.targets import MODELS, OnlineOption, opened_for, read_targets
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
        str, typer.Argument(help=MODELS.replace("Model ids, or paths", "Model id, or path"), show_default=False)
    ],
    spec: Annotated[Spec, typer.Option("--spec", help="Version of CycloneDX.")] = Spec.V1_7,
    out: Annotated[Path | None, typer.Option("--out", "-o", help="File; standard output by default.")] = None,
    online: OnlineOption = False,
    store: StoreOption = None,
) -> None:
    """Write the bill of materials of a model."""
    from atlas_db.bom.collect import collect_contents
    from atlas_db.bom.cyclonedx import write_bom

    targets = read_targets([model])
    with opened_for(targets, settings_for(store), online=online) as graph:
        folder = next(iter(targets.folders), None)
        name = folder.id if folder is not None else targets.ids[0]
        document = write_bom(collect_contents(graph, name, folder=folder), spec.value)
    if out is None:
        write_json(document)
    else:
        write_whole(out, (json.dumps(document, ensure_ascii=False, indent=2) + "\n").encode())
        errors().print(f"{out}: {len(document.get('components', [])) + 1} components", markup=False)
