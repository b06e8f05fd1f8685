"""Models that verbs about licences take: ids, lists of them, and what lies on a disk; and the atlas to read them in."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from atlas_db.cli.common import home_of, opened, shown_progress
from atlas_db.cli.output import errors
from atlas_db.core.errors import InputError
from atlas_db.core.files import printable

if TYPE_CHECKING:
    from atlas_db.core.settings import Settings
    from atlas_db.licenses.card_model import CardModel
    from atlas_db.store.bolt import Store

MODELS = "Model ids, or paths: a folder, a README.md, a .gguf or .safetensors file, a merge configuration."

OnlineOption = Annotated[
    bool,
    typer.Option(
        "--online", help="Request from the Hub for models and parents that the atlas lacks; answers are kept."
    ),
]
ListOption = Annotated[Path | None, typer.Option("--file", help="A list of these, one a line; - for stdin.")]


@dataclass(slots=True)
class Targets:
    """What a command line names.

    Attributes:
        ids: Model ids.
        folders: Models read from files.
    """

    ids: list[str] = field(default_factory=list)
    folders: list[CardModel] = field(default_factory=list)

    def __bool__(self) -> bool:
        return bool(self.ids or self.folders)

    @property
    def files(self) -> dict[str, str]:
        """Paths of the cards, or of the files read in their place, by model id."""
        return {folder.id: str(folder.card) for folder in self.folders}


def read_targets(words: Sequence[str], file: Path | None = None) -> Targets:
    """Return the models that words and the lines of a list name.

    Raises:
        InputError: The list or a path cannot be read.
    """
    from atlas_db.claims.repository_ids import repository_name
    from atlas_db.licenses.card_model import is_path, read_card_model

    words = [*words, *(_lines(file) if file is not None else ())]
    found = Targets()
    for word in dict.fromkeys(words):
        if is_path(word):
            found.folders.append(read_card_model(Path(word).expanduser()))
        else:
            found.ids.append(repository_name(word) if "://" in word else word)  # hf:// and addresses of the Hub
    return found


def _lines(file: Path) -> list[str]:
    """Return the lines of a list, without empty ones and comments."""
    try:
        text = sys.stdin.read() if str(file) == "-" else file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(
            f"{printable(file)} cannot be read as a list ({error})", hint="Write one model id or path a line, in UTF-8"
        ) from error
    lines = (line.strip() for line in text.splitlines())
    return [line for line in lines if line and not line.startswith("#")]


@contextmanager
def opened_for(targets: Targets, settings: Settings, *, online: bool = False) -> Iterator[Store]:
    """Open the atlas to read models in it, with what the Hub adds.

    Args:
        targets: The models. Where the Hub bears new names of parents, theirs are replaced.
        settings: The settings.
        online: Whether the Hub is requested.
    """
    with opened(settings, to_read=True) as graph:
        if not online:
            yield graph
            return
        from atlas_db.snapshot.opening import request_missing

        with shown_progress() as progress:
            graph, targets.folders, answer = request_missing(
                graph, home_of(settings), targets.ids, targets.folders, progress
            )
        targets.ids = [answer.renamed.get(each, each) for each in targets.ids]
        errors().print(answer.words(), style="dim", markup=False, soft_wrap=True)
        yield graph
