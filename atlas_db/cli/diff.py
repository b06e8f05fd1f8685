"""`atlas-db diff`: differences of two snapshots."""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from atlas_db.cli.common import FormatOption, guarded, opened, settings_for
from atlas_db.cli.output import Format, errors, print_text, write_json, write_line, write_rows
from atlas_db.core.errors import InputError, RecordError, UsageError
from atlas_db.core.extras import require_extra

if TYPE_CHECKING:
    from atlas_db.analysis.snapshot_diff import SnapshotDifference, SnapshotEntry
    from atlas_db.core.records import HubRecord
    from ingest.hub.snapshot import SourceFile

HELP = """Compare two snapshots: new and vanished models, changed licences, changed parents.

A and B are files or folders of Hub records (as `load` takes them), or stores (local:DIR, neo4j-local:DIR, bolt://…).
Groups of licences, from loose to tight: permissive, copyleft, use-restricted, vendor's, non-commercial. A lateral
change stays in one group. Parents are compared by their names as written. Needs the extra `analysis`.

Examples:

  atlas-db diff models-2024-06.jsonl.zst models-2024-07.jsonl.zst

  atlas-db diff local:old local:new --format json
"""
EXAMPLES = 10


@guarded
def diff(
    before: Annotated[str, typer.Argument(metavar="A", help="The older one.", show_default=False)],
    after: Annotated[str, typer.Argument(metavar="B", help="The newer one.", show_default=False)],
    form: FormatOption = Format.HUMAN,
) -> None:
    """Compare two snapshots."""
    require_extra("analysis")
    from atlas_db.analysis.snapshot_diff import compare_snapshots

    _show(compare_snapshots(_facts(before), _facts(after)), form)


def _facts(place: str) -> dict[str, SnapshotEntry]:
    from atlas_db.analysis.snapshot_diff import entries_of_records, entries_of_store
    from atlas_db.store.engines import ENGINES
    from ingest.hub.snapshot import find_inputs

    if place.partition(":")[0] in ENGINES or "://" in place:
        with opened(settings_for(place)) as graph:
            return entries_of_store(graph)
    if not Path(place).exists():
        raise UsageError(f"{place} is neither a file nor a store", hint="Use a path, local[:DIR], or bolt://HOST:PORT")
    with tempfile.TemporaryDirectory() as spool:
        bad: Counter[str] = Counter()
        facts = entries_of_records(_records(find_inputs([place], Path(spool)), bad))
    if bad:
        errors().print(f"{place}: set aside {dict(bad)}", markup=False)
    if not facts:
        raise InputError(f"{place} holds no model that can be read", hint="Look at it with atlas-db load --dry-run")
    return facts


def _records(files: list[SourceFile], bad: Counter[str]) -> Iterator[HubRecord]:
    from ingest.hub.decode import decode_one_of_many
    from ingest.hub.snapshot import read_records

    for file in files:
        try:
            for raw in read_records(file):
                try:
                    if raw.problem is not None:
                        raise raw.problem
                    yield decode_one_of_many(raw.text, file.kind)
                except RecordError as error:
                    bad[error.code] += 1
        except RecordError as error:
            bad[error.code] += 1


def _show(found: SnapshotDifference, form: Format) -> None:
    match form:
        case Format.JSON:
            write_json(
                {
                    "counts": found.counts(),
                    "new": found.new,
                    "vanished": found.vanished,
                    "licenses": found.licenses,
                    "moved": found.moved,
                }
            )
        case _ if form.is_rows:
            write_rows(("model", "what", "before", "after"), list(_rows(found)), form)
        case Format.QUIET:
            for name in dict.fromkeys(row["model"] for row in _rows(found)):
                write_line(name)
        case _:
            _show_summary(found)


def _rows(found: SnapshotDifference) -> Iterator[dict[str, Any]]:
    yield from ({"model": name, "what": "new"} for name in found.new)
    yield from ({"model": name, "what": "vanished"} for name in found.vanished)
    yield from ({**row, "what": f"license {row['direction']}"} for row in found.licenses)
    yield from ({**row, "what": "parents"} for row in found.moved)


def _show_summary(found: SnapshotDifference) -> None:
    counts = found.counts()
    print_text(f"{found.models[0]:,} models, then {found.models[1]:,}", "bold")
    for name in ("new", "vanished"):
        ids: list[str] = getattr(found, name)
        print_text(f"{counts[name]:>9,}  {name}{': ' if ids else ''}{', '.join(ids[:5])}{' …' if len(ids) > 5 else ''}")
    print_text(f"{len(found.licenses):>9,}  licences changed")
    for direction, number in counts["licenses"].items():
        print_text(f"{number:>13,}  {direction}")
    print_text(f"{counts['moved']:>9,}  parents changed")
    for title, rows in (("Licences", found.licenses), ("Parents", found.moved)):
        if rows:
            shown = rows[:EXAMPLES]
            write_rows([column for column in shown[0] if column != "what"], shown, Format.HUMAN, title)
    if len(found.licenses) > EXAMPLES or len(found.moved) > EXAMPLES:
        print_text("All of them: --format json or csv", "dim")
