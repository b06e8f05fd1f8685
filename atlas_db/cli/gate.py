"""`atlas-db gate`: decisions by a policy, before a model is pulled."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from atlas_db.cli.common import Exit, ReportFormatOption, StoreOption, guarded, settings_for
from atlas_db.cli.output import Format, print_text, write_json, write_line
from atlas_db.cli.targets import MODELS, ListOption, OnlineOption, opened_for, read_targets
from atlas_db.cli.values import model_ids
from atlas_db.core.errors import UsageError

HELP = """Decide by a policy whether models may be pulled.

The policy is applied to the model and to each repository that it derives from; the strictest decision counts.
Exit code 0: all are allowed. 1: one is denied. 6: none is denied, and a person has to decide on one. What is not in the
atlas is not allowed by silence: rules on the states not_in_atlas and unresolved decide, else the default. It is no
legal advice.

Examples:

  atlas-db gate --policy policy.toml mistralai/Mistral-7B-v0.1

  atlas-db gate --policy policy.toml --online MODEL && hf download MODEL

  atlas-db gate --policy policy.toml --file models.txt --format json
"""
_STYLES = {"deny": "bold red", "ask": "yellow", "allow": "green"}


@guarded
def gate(
    policy: Annotated[Path, typer.Option("--policy", help="Policy, a TOML file.", show_default=False)],
    models: Annotated[list[str] | None, typer.Argument(help=MODELS, autocompletion=model_ids)] = None,
    file: ListOption = None,
    online: OnlineOption = False,
    store: StoreOption = None,
    form: ReportFormatOption = Format.HUMAN,
) -> None:
    """Decide whether models may be pulled."""
    from atlas_db.compliance.gate import Decision, decide, read_policy

    rules = read_policy(policy)
    targets = read_targets(models or [], file)
    if not targets:
        raise UsageError("no model is named", hint="Give model ids or paths, or --file")
    with opened_for(targets, settings_for(store), online=online) as graph:
        answers = decide(graph, rules, targets.ids, targets.folders)
    if form is Format.JSON:
        write_json([each.row() for each in answers])
    for answer in answers:
        if form is Format.QUIET:
            write_line(f"{answer.decision} {answer.model}")
        elif form is Format.HUMAN:
            print_text(f"{answer.decision}  {answer.model}  (audit: {answer.verdict})", _STYLES[answer.decision])
            for each in answer.reasons:
                if each.decision is not Decision.ALLOW:
                    licensed = each.license or each.state.replace("_", " ")
                    print_text(f"  {each.decision}: {each.repository} [{licensed}], {each.reason}")
    decisions = {each.decision for each in answers}
    if Decision.DENY in decisions:
        raise typer.Exit(Exit.FINDINGS)
    if Decision.REFER in decisions:
        raise typer.Exit(Exit.DECIDE)
