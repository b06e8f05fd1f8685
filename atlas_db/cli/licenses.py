"""`atlas-db licenses`: what each licence grants, asks and forbids, and who says so."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from atlas_db.cli.common import FormatOption, guarded
from atlas_db.cli.output import Format, say, write_json, write_line, write_rows
from atlas_db.core.errors import LicenseNotFoundError

if TYPE_CHECKING:
    from atlas_db.catalogue.loader import License

HELP = """Explain a licence: what it grants, asks and forbids.

Without an id it lists the catalogue. Hub ids, SPDX identifiers and the usual spellings are understood.

Examples:

  atlas-db licenses llama3.1

  atlas-db licenses Apache-2.0 --format json

  atlas-db licenses --format csv
"""
COLUMNS = ("id", "ref", "family", "relicense", "name")


@guarded
def licenses(
    identifier: Annotated[str, typer.Argument(metavar="[ID]", help="Licence id.", show_default=False)] = "",
    form: FormatOption = Format.HUMAN,
) -> None:
    """Explain a licence, or list them."""
    import msgspec

    from atlas_db.catalogue.loader import catalogue
    from ingest.normalise.license_ids import canonical, licence_id

    book = catalogue()
    if not identifier:
        write_rows(COLUMNS, [msgspec.to_builtins(row) for row in book], form, "Licences")
        return
    licence = book.get(canonical(licence_id(identifier)))
    if licence is None:
        raise _not_found(identifier, [row.id for row in book])
    if form is Format.JSON:
        write_json({**msgspec.to_builtins(licence), "under": _rulings(licence.id)})
    elif form is Format.QUIET:
        write_line(licence.id)
    elif form is Format.CSV:
        write_rows(COLUMNS, [msgspec.to_builtins(licence)], form)
    else:
        _explain(licence)


def _not_found(identifier: str, ids: list[str]) -> LicenseNotFoundError:
    import difflib

    near = difflib.get_close_matches(identifier.lower(), ids, n=3)
    hint = f"Did you mean {' or '.join(near)}?" if near else "List them with atlas-db licenses"
    return LicenseNotFoundError(f"the catalogue has no licence {identifier!r}", hint=hint)


def _rulings(parent: str) -> dict[str, dict[str, list[str]]]:
    """Verdict on finetunes of a model under this licence: verdict to rule to the child licences it falls on."""
    from atlas_db.catalogue.loader import catalogue
    from atlas_db.licenses.rules import NONE, rule_book

    book = rule_book()
    found: dict[str, dict[str, list[str]]] = {}
    for child in (*(row.id for row in catalogue()), NONE):
        ruling = book.terms(parent, child, "finetune")
        found.setdefault(ruling.verdict.value, {}).setdefault(ruling.rule.id, []).append(child)
    return found


def _explain(licence: License) -> None:
    say(f"{licence.id}  {licence.name}", "bold")
    say(f"  {licence.ref}, family {licence.family}, text of {licence.date}", "dim")
    say(f"  grants   {', '.join(licence.grants) or 'nothing that is known'}")
    _lines("asks", [f"{each.type} on {each.scope}: {each.clause}" for each in licence.obligations])
    _lines("forbids", [f"{each.type}: {each.clause}" for each in licence.restrictions])
    listed = f" ({', '.join(licence.compatible)})" if licence.compatible else ""
    say(f"  a derivative may go under other terms: {licence.relicense}{listed}")
    say("  a fine-tune of a model under it, by the licence that it declares:")
    for verdict, rules in _rulings(licence.id).items():
        for rule, children in rules.items():
            shown = ", ".join(children[:8]) + (f" and {len(children) - 8} more" if len(children) > 8 else "")
            say(f"    {verdict} ({rule}): {shown}")
    if licence.note:
        say(f"  {licence.note}")
    say(f"  {licence.source}", "cyan")
    say("  This is no legal advice.", "dim")


def _lines(title: str, lines: list[Any]) -> None:
    for place, line in enumerate(lines or ["nothing that is known"]):
        say(f"  {title if place == 0 else '':8} {line}")
