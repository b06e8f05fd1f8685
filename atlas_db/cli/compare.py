"""`atlas-db compare`: two models, by traits and by characters."""

from __future__ import annotations

from typing import TYPE_CHECKING

from atlas_db.cli.common import FormatOption, ModelArgument, StoreOption, guarded, home_of, opened, settings_for
from atlas_db.cli.output import Format, console, print_text, write_json, write_rows
from atlas_db.core.extras import require_extra

if TYPE_CHECKING:
    from atlas_db.analysis.compare import EditSpan, ModelComparison

HELP = """Compare two models, trait by trait and character by character.

Additions of the second model are green, deletions red, replacements yellow. Without colour they are [-deleted-] and
{+added+}, as wdiff writes them. Cards are compared where they were loaded.
Needs the extra `analysis`.

Examples:

  atlas-db compare mistralai/Mistral-7B-v0.1 mlabonne/NeuralBeagle14-7B

  atlas-db compare openai/whisper-small me/whisper-small-de --format json
"""
_STYLES = {"insert": "green", "replace": "yellow"}


@guarded
def compare(
    left: ModelArgument,
    right: ModelArgument,
    store: StoreOption = None,
    form: FormatOption = Format.HUMAN,
) -> None:
    """Compare two models."""
    require_extra("analysis")
    from atlas_db.analysis.compare import compare_models as compare_models
    from atlas_db.cards.card_store import FOLDER, newest_cards

    settings = settings_for(store)
    with opened(settings) as graph:
        found = compare_models(graph, left, right, dict(newest_cards(home_of(settings) / FOLDER, [left, right])))
    if form is Format.JSON:
        write_json(found.to_dict())
    elif form is Format.HUMAN:
        _show(found)
    else:
        write_rows(("name", "change", "left", "right"), [trait._asdict() for trait in found.traits], form)


def _show(found: ModelComparison) -> None:
    rows = [
        {"trait": trait.name, found.left: trait.left, found.right: trait.right, "": trait.change}
        for trait in found.traits
        if trait.left or trait.right
    ]
    write_rows(("trait", found.left, found.right, ""), rows, Format.HUMAN)
    for name, spans in (("metadata", found.metadata), ("card", found.card)):
        if spans:
            print_text(
                f"{name}: similarity {found.similarity[name]:.3f} (1 - Levenshtein distance / longer length)", "bold"
            )
            _draw(spans)


def _draw(spans: list[EditSpan]) -> None:
    from rich.text import Text

    text, plain = Text(), console().color_system is None
    for span in spans:
        if span.tag in ("delete", "replace"):
            text.append(f"[-{span.left}-]" if plain else span.left, "red strike")
        if span.tag in ("insert", "replace"):
            text.append(f"{{+{span.right}+}}" if plain else span.right, _STYLES[span.tag])
        elif span.tag == "equal":
            text.append(span.left)
    console().print(text, soft_wrap=True)
