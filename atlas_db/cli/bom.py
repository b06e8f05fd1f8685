"""`atlas-db bom`: the bill of materials of a model with its whole lineage."""

from __future__ import annotations

import json
import re
import sys
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from atlas_db.cli.common import Exit, StoreOption, guarded, home_of, settings_for, shown_progress
from atlas_db.cli.output import errors
from atlas_db.cli.targets import MODELS, ListOption, OnlineOption, opened_for, read_targets
from atlas_db.cli.values import model_ids
from atlas_db.core.errors import ModelNotFoundError, UsageError
from atlas_db.core.files import write_whole
from atlas_db.core.safe_text import visible, visible_json

if TYPE_CHECKING:
    from atlas_db.bom.collect import BomContents

HELP = """Write bills of materials of models (CycloneDX or SPDX).

All ancestors and their training data are components. Lineage is the pedigree, licences are declared and concluded,
and CycloneDX 1.7 cites the source of each claim. Of a folder or file, all files get size and SHA-256, and licence files
are evidence, with digest and text. A component without a record is said to be not in this atlas, not to have no
licence. Each field is verified, declared, inferred, predicted or unknown; the shares stand in the document. It is
validated before it is written. Several models get a bill each, in the folder of --out. It is no legal advice.

Examples:

  atlas-db bom mlabonne/Beagle14-7B > bom.json

  atlas-db bom ./my-model --spec spdx-3.0.1 --out bom.spdx.json

  atlas-db bom mlabonne/Beagle14-7B --format html --out bom.html

  atlas-db bom --file models.txt --author "Acme AG" --out bills/
"""
_NOT_IN_NAME = re.compile(r"[^A-Za-z0-9._-]+")


class Spec(StrEnum):
    """Standards."""

    V1_7 = "1.7"
    V1_6 = "1.6"
    SPDX = "spdx-3.0.1"


class BomFormat(StrEnum):
    """Formats."""

    JSON = "json"
    HTML = "html"


@guarded
def bom(
    models: Annotated[list[str] | None, typer.Argument(help=MODELS, autocompletion=model_ids)] = None,
    file: ListOption = None,
    spec: Annotated[Spec, typer.Option("--spec", help="CycloneDX 1.7 or 1.6, or SPDX.")] = Spec.V1_7,
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="File, or folder of several bills; standard output by default.")
    ] = None,
    author: Annotated[str | None, typer.Option("--author", help="Who answers for the bill, as it names them.")] = None,
    online: OnlineOption = False,
    store: StoreOption = None,
    form: Annotated[BomFormat, typer.Option("--format", help="json, or a page of html.")] = BomFormat.JSON,
) -> None:
    """Write the bills of materials of models."""
    from atlas_db.bom.collect import collect_contents
    from atlas_db.cards.card_store import FOLDER

    targets, settings = read_targets(models or [], file), settings_for(store)
    if not targets:
        raise UsageError("no model is named", hint="Give model ids or paths, or --file")
    several = file is not None or len(targets.ids) + len(targets.folders) > 1
    if several and (out is None or out.is_file()):
        raise UsageError("several bills need a folder", hint="Name a folder with --out")
    if several and out is not None:
        out.mkdir(parents=True, exist_ok=True)
    missing, cards = False, home_of(settings) / FOLDER
    with opened_for(targets, settings, online=online) as graph, shown_progress() as progress:
        for name, folder in targets.each():
            try:
                contents = collect_contents(graph, name, folder=folder, progress=progress, cards=cards)
            except ModelNotFoundError as error:
                if not several:
                    raise
                missing = True
                errors().print(f"No bill: {error}", style="yellow", markup=False, soft_wrap=True)
                continue
            place = out / _file_name(name, spec, form) if several and out is not None else out
            _put(contents, _written(contents, spec, form, author), place, form)
    if missing:
        raise typer.Exit(Exit.INPUT)


def _file_name(model: str, spec: Spec, form: BomFormat) -> str:
    """Return the name of a model's bill among several."""
    ending = "html" if form is BomFormat.HTML else "spdx.json" if spec is Spec.SPDX else "cdx.json"
    return f"{_NOT_IN_NAME.sub('-', model.strip('./').replace('/', '--'))}.{ending}"


def _put(contents: BomContents, text: str, out: Path | None, form: BomFormat) -> None:
    """Write a bill to its file, with its shares to standard error; or to standard output."""
    from atlas_db.bom.accuracy import accuracy

    if out is None:
        sys.stdout.write(visible(text) if form is BomFormat.HTML else visible_json(text))
        return
    write_whole(out, text.encode())
    scores = accuracy(contents)
    shares = ", ".join(f"{state} {share:.0%}" for state, share in scores["shares"].items() if share)
    components = len(contents.models) + len(contents.datasets)
    errors().print(f"{out}: {components} components, {scores['fields']} fields: {shares}", markup=False, soft_wrap=True)


def _written(contents: BomContents, spec: Spec, form: BomFormat, author: str | None) -> str:
    """Return the bill as text."""
    if form is BomFormat.HTML:
        from atlas_db.bom.html_view import to_html

        return to_html(contents, author)
    if spec is Spec.SPDX:
        from atlas_db.bom.spdx import write_spdx

        document = write_spdx(contents, author)
    else:
        from atlas_db.bom.cyclonedx import write_bom

        document = write_bom(contents, spec.value, author)
    return json.dumps(document, ensure_ascii=False, indent=2) + "\n"
