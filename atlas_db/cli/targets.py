"""Models that verbs about licences take: ids, lists of them, and what lies on a disk; and the atlas to read them in."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from atlas_db.cli.common import home_of, opened, shown_progress
from atlas_db.cli.output import errors
from atlas_db.core.errors import InputError
from atlas_db.core.files import printable, reason_of

if TYPE_CHECKING:
    from atlas_db.core.settings import Settings
    from atlas_db.snapshot.targets import Targets
    from atlas_db.store.bolt import Store

MODELS = "Model ids, or paths: a folder, a README.md, a .gguf or .safetensors file, a merge configuration."
MODEL = MODELS.replace("Model ids, or paths", "Model id, or path")

OnlineOption = Annotated[
    bool,
    typer.Option(
        "--online", help="Request from the Hub for models and parents that the atlas lacks; answers are kept."
    ),
]
ListOption = Annotated[Path | None, typer.Option("--file", help="A list of these, one a line; - for stdin.")]


def read_targets(words: Sequence[str], file: Path | None = None) -> Targets:
    """Return the models that words and the lines of a list name.

    Raises:
        InputError: The list or a path cannot be read.
    """
    from atlas_db.snapshot import targets

    return targets.read_targets([*words, *(_lines(file) if file is not None else ())])


def _lines(file: Path) -> list[str]:
    """Return the lines of a list, without empty ones and comments."""
    try:
        text = sys.stdin.read() if str(file) == "-" else file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(
            f"{printable(file)} cannot be read as a list ({reason_of(error)})",
            hint="Write one model id or path a line, in UTF-8",
        ) from error
    if "\0" in text:
        raise InputError(f"{printable(file)} is no list: it is no text", hint="Name a model's file without --file")
    lines = (line.strip() for line in text.splitlines())
    return [line for line in lines if line and not line.startswith("#")]


@contextmanager
def opened_for(targets: Targets, settings: Settings, *, online: bool = False) -> Iterator[Store]:
    """Open the atlas to read models in it, with what the Hub adds.

    Args:
        targets: The models. Names that the Hub replaced are replaced in them.
        settings: The settings.
        online: Whether the Hub is requested.
    """
    with opened(settings, to_read=True) as graph:
        if not online:
            yield graph
            return
        from atlas_db.snapshot.opening import request_missing

        with shown_progress() as progress:
            graph, answer = request_missing(graph, home_of(settings), targets, progress)
        errors().print(answer.words(), style="dim", markup=False, soft_wrap=True)
        yield graph
