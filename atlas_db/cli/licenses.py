"""`atlas-db licenses`: grants, obligations and restrictions of each licence, with sources."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from atlas_db.cli.common import FormatOption, guarded
from atlas_db.cli.output import Format, print_text, write_json, write_line, write_rows
from atlas_db.cli.values import license_ids
from atlas_db.core.errors import LicenseNotFoundError, did_you_mean

if TYPE_CHECKING:
    from atlas_db.catalogue.loader import License

HELP = """Explain a licence: grants, obligations and restrictions.

Without an id, all licences are listed. Hub ids, SPDX identifiers and common spellings are accepted.

Examples:

  atlas-db licenses llama3.1

  atlas-db licenses Apache-2.0 --format json

  atlas-db licenses --format csv
"""
COLUMNS = ("id", "ref", "family", "relicense", "text", "name")


@guarded
def licenses(
    identifier: Annotated[
        str, typer.Argument(metavar="[ID]", help="Licence id.", show_default=False, autocompletion=license_ids)
    ] = "",
    form: FormatOption = Format.HUMAN,
) -> None:
    """Explain a licence, or list them."""
    import msgspec

    from atlas_db.catalogue.loader import catalogue
    from ingest.normalise.license_ids import canonical_license_id, normalise_license_id

    book = catalogue()
    if not identifier:
        write_rows(COLUMNS, [msgspec.to_builtins(row) for row in book], form, "Licences")
        return
    entry = book.get(canonical_license_id(normalise_license_id(identifier)))
    if entry is None:
        raise _not_found(identifier, [row.id for row in book])
    if form is Format.JSON:
        write_json({**msgspec.to_builtins(entry), "under": _rulings(entry.id)})
    elif form is Format.QUIET:
        write_line(entry.id)
    elif form.is_rows:
        write_rows(COLUMNS, [msgspec.to_builtins(entry)], form)
    else:
        _describe(entry)


def _not_found(identifier: str, ids: list[str]) -> LicenseNotFoundError:
    from atlas_db.catalogue.expressions import parse_expression

    if (expression := parse_expression(identifier)) is not None:
        hint = f"It is an expression: look up {' and '.join(expression.licenses())}"
        return LicenseNotFoundError(f"the catalogue has no licence {identifier!r}", hint=hint)
    hint = did_you_mean(identifier, ids) or "List them with atlas-db licenses"
    return LicenseNotFoundError(f"the catalogue has no licence {identifier!r}", hint=hint)


def _rulings(parent: str) -> dict[str, dict[str, list[str]]]:
    """Return the rulings on fine-tunes of a model under a licence: verdict to rule to licences of the child."""
    from atlas_db.catalogue.loader import catalogue
    from atlas_db.licenses.rules import NONE, rule_book

    book = rule_book()
    found: dict[str, dict[str, list[str]]] = {}
    for child in (*(row.id for row in catalogue()), NONE):
        ruling = book.terms(parent, child, "finetune")
        found.setdefault(ruling.verdict.value, {}).setdefault(ruling.rule.id, []).append(child)
    return found


def _describe(entry: License) -> None:
    print_text(f"{entry.id}  {entry.name}", "bold")
    print_text(f"  {entry.ref}, family {entry.family}, text of {entry.date}", "dim")
    day = f" on {entry.read_on}" if entry.read_on else ""
    print_text(f"  text {entry.text}{day}{f' at {entry.read_at}' if entry.read_at else ''}", "dim")
    print_text(f"  grants   {', '.join(entry.grants) or 'nothing known'}")
    _lines("requires", [f"{each.type} on {each.scope}: {each.clause}" for each in entry.obligations])
    _lines("forbids", [f"{each.type}: {each.clause}" for each in entry.restrictions])
    listed = f" ({', '.join(entry.compatible)})" if entry.compatible else ""
    print_text(f"  a derivative may go under other terms: {entry.relicense}{listed}")
    print_text("  a fine-tune of a model under it, by the licence that it declares:")
    for verdict, rules in _rulings(entry.id).items():
        for rule, children in rules.items():
            shown = ", ".join(children[:8]) + (f" and {len(children) - 8} more" if len(children) > 8 else "")
            print_text(f"    {verdict} ({rule}): {shown}")
    if entry.note:
        print_text(f"  {entry.note}")
    print_text(f"  {entry.source}", "cyan")
    print_text("  This is no legal advice.", "dim")


def _lines(title: str, lines: list[Any]) -> None:
    for place, line in enumerate(lines or ["nothing known"]):
        print_text(f"  {title if place == 0 else '':8} {line}")
