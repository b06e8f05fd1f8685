"""`atlas-db impact`: what stands on a model, and what changes if it goes or gets another licence."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from atlas_db.cli.common import ModelArgument, ReportFormatOption, StoreOption, guarded, opened, settings_for
from atlas_db.cli.output import Format, print_text, write_json, write_line
from atlas_db.cli.values import license_ids, profiles
from atlas_db.core.terms import Verdict

if TYPE_CHECKING:
    from atlas_db.compliance.impact import Impact

HELP = """Show what stands on a model.

Descendants by distance and relation, the most downloaded of them, and those that have no other known parent. --license
counts whose audit changes if the model got that licence. Substitutes are copies of its weights, its parents, and other
children of these. It is no legal advice.

Examples:

  atlas-db impact mistralai/Mistral-7B-v0.1

  atlas-db impact mistralai/Mistral-7B-v0.1 --license cc-by-nc-4.0 --format json
"""


@guarded
def impact(
    model: ModelArgument,
    license_id: Annotated[
        str, typer.Option("--license", help="Licence that the model would get.", autocompletion=license_ids)
    ] = "",
    profile: Annotated[
        str, typer.Option("--profile", help="strict, default or lenient.", autocompletion=profiles)
    ] = "default",
    store: StoreOption = None,
    form: ReportFormatOption = Format.HUMAN,
) -> None:
    """Show what stands on a model."""
    from atlas_db.compliance.impact import measure_impact

    with opened(settings_for(store), to_read=True) as graph:
        found = measure_impact(graph, model, license_id, profile)
    if form is Format.JSON:
        write_json(found.document())
    elif form is Format.QUIET:
        for each in found.largest:
            write_line(str(each["model"]))
    else:
        _show(found)


def _show(found: Impact) -> None:
    print_text(found.model, "bold")
    steps = ", ".join(
        f"{number:,} at {hops} step{'' if hops == 1 else 's'}" for hops, number in found.by_distance.items()
    )
    print_text(f"  {found.descendants:,} models derive from it{f': {steps}' if steps else ''}")
    if found.descendants:
        relations = ", ".join(f"{name} {number:,}" for name, number in found.by_relation.items())
        print_text(f"  {relations}; {found.downloads:,} downloads")
        print_text(
            f"  If it goes: {found.only_here:,} children have no other known parent; {found.copies:,} hold its weights"
        )
        for each in found.largest[:5]:
            print_text(f"    {each['model']}  {each['downloads']:,} downloads", "dim")
    if found.license:
        changes = ", ".join(f"{number:,} {change.replace('->', ' to ')}" for change, number in found.verdicts.items())
        print_text(f"  Under {found.license}: {changes or 'no verdict changes'}")
        for model in found.relicensed[:5]:
            style = "bold red" if model.after is Verdict.VIOLATION else "yellow"
            print_text(f"    {model.model}: {model.before} to {model.after}, {model.downloads:,} downloads", style)
    for substitute in found.substitutes[:5]:
        task = "same task" if substitute.same_task else "another task, or none stated"
        print_text(
            f"  Instead: {substitute.model} ({substitute.why}, {substitute.license or 'no licence'}, {task})", "cyan"
        )
