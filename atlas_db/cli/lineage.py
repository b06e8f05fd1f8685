"""`atlas-db lineage`: ancestors and descendants of a model as trees, large groups of children folded."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer

from atlas_db.cli.common import FormatOption, ModelArgument, StoreOption, guarded, opened, settings_for
from atlas_db.cli.output import Format, console, paged, print_text, write_json, write_line, write_rows
from atlas_db.core.terms import is_origin

if TYPE_CHECKING:
    from rich.text import Text
    from rich.tree import Tree

    from atlas_db.lineage.traversal import Lineage, LineageStep
    from atlas_db.store.bolt import Store

HELP = """Show the ancestors and descendants of a model.

One step each way by default. Of large groups of children, the most downloaded are shown.

Examples:

  atlas-db lineage mistralai/Mistral-7B-v0.1

  atlas-db lineage TheBloke/Mistral-7B-v0.1-GGUF --depth 0 --min-confidence 0.5

  atlas-db lineage TheBloke/Mistral-7B-v0.1-GGUF --evidence

  atlas-db lineage openai-community/gpt2 --format json
"""


@guarded
def lineage(
    model: ModelArgument,
    store: StoreOption = None,
    depth: Annotated[int, typer.Option("--depth", min=0, help="Steps each way; 0 for no limit.")] = 1,
    min_confidence: Annotated[
        float, typer.Option("--min-confidence", min=0, max=1, help="Leave out edges below this confidence.")
    ] = 0.0,
    contradicted: Annotated[bool, typer.Option("--contradicted", help="Follow contradicted edges, too.")] = False,
    evidence: Annotated[
        bool, typer.Option("--evidence", help="Say what each edge rests on: who states it, and what was measured.")
    ] = False,
    form: FormatOption = Format.HUMAN,
) -> None:
    """Show the lineage of a model."""
    from atlas_db.lineage.traversal import STEPS
    from atlas_db.lineage.traversal import lineage as find

    with opened(settings_for(store), to_read=True) as graph:
        found = find(graph, model, depth=depth, min_confidence=min_confidence, contradicted=contradicted)
        claims = _claims_on(graph, [*found.ancestors, *found.descendants]) if evidence else []
    if form is Format.JSON:
        write_json({**asdict(found), "claims": claims} if evidence else asdict(found))
    elif form.is_rows:
        write_rows(STEPS, found.rows(), form)
    elif form is Format.QUIET:
        for step in found.ancestors:
            write_line(step.parent)
    else:
        _draw(found, claims)


def _claims_on(store: Store, steps: Sequence[LineageStep]) -> list[dict[str, Any]]:
    """Return the claims behind the edges of a lineage."""
    from atlas_db.lineage.claim_evidence import read_lineage_claims_of

    edges = {(step.child, step.parent) for step in steps}
    claims = read_lineage_claims_of(store, (step.child for step in steps))
    return [claim for claim in claims if (claim["child"], claim["parent"]) in edges]


def _draw(found: Lineage, claims: Sequence[Mapping[str, Any]]) -> None:
    from atlas_db.lineage.traversal import degree_summary
    from atlas_db.lineage.weights_record import weights_words

    model, counts = found.model, found.counts
    print_text(str(model["id"]), "bold")
    facts = [str(model[name]) for name in ("license", "pipeline_tag", "library_name") if model.get(name)]
    if found.weights is not None:
        print_text(f"  known by its weights alone: {weights_words(found.weights)}", "dim")
    else:
        if model.get("placeholder"):
            words = (
                "inferred from the weights of its siblings" if is_origin(str(model["id"])) else "named by other models"
            )
            facts.append(f"not in this atlas, {words}")
        print_text("  " + ", ".join([*facts, f"{model.get('downloads') or 0:,} downloads"]), "dim")
    reach = (
        "" if counts["depth"] == 1 else f" ({counts['ancestors']:,} ancestors, {counts['descendants']:,} descendants)"
    )
    print_text(f"  {degree_summary(counts)}{reach}")
    lines: dict[tuple[str, str], list[str]] = defaultdict(list)
    for claim in claims:
        lines[claim["child"], claim["parent"]] += [claim["words"], *claim["sentences"]]
    with paged(len(found.ancestors) + len(found.descendants) + sum(map(len, lines.values()))):
        if found.ancestors:
            console().print(_tree("comes from", found.ancestors, str(model["id"]), lines, up=True))
        if found.descendants:
            console().print(_tree("was made into", found.descendants, str(model["id"]), lines, up=False))


def _tree(
    title: str, steps: list[LineageStep], start: str, lines: Mapping[tuple[str, str], list[str]], *, up: bool
) -> Tree:
    from rich.text import Text
    from rich.tree import Tree

    by_near: dict[str, list[LineageStep]] = defaultdict(list)
    for step in steps:
        by_near[step.child if up else step.parent].append(step)
    tree = Tree(Text(title, style="bold"))
    shown: set[str] = set()
    queue = [(start, tree)]
    while queue:
        near, branch = queue.pop(0)
        if near in shown:
            continue
        shown.add(near)
        folded: dict[str, int] = defaultdict(int)
        seen: dict[str, int] = defaultdict(int)
        for step in by_near.get(near, ()):
            seen[step.relation] += 1
            if not up and seen[step.relation] > _fan():
                folded[step.relation] += 1
                continue
            label = _label(step, up=up)
            for line in lines.get((step.child, step.parent), ()):
                label.append(f"\n{line}", style="dim")
            queue.append((step.parent if up else step.child, branch.add(label)))
        for relation, number in folded.items():
            branch.add(Text(f"+{number:,} {relation}", style="dim"))
    return tree


def _fan() -> int:
    from atlas_db.lineage.traversal import CHILDREN_SHOWN

    return CHILDREN_SHOWN


def _label(step: LineageStep, *, up: bool) -> Text:
    from rich.text import Text

    near = step.parent if up else step.child
    text = Text("an origin that is not here" if is_origin(near) else near)
    text.append(f"  {step.relation}, {step.status} {step.confidence:.2f}", style="cyan")
    rest = [step.license or "", f"{step.downloads:,} downloads" if step.downloads else ""]
    if step.placeholder:
        rest = ["weights alone" if step.charted else "" if is_origin(near) else "not in this atlas"]
    if step.gone:
        rest.append(f"gone from the Hub, last record of {step.last_seen}" if step.last_seen else "gone from the Hub")
    return text.append("  " + ", ".join(part for part in rest if part), style="dim")
