"""A console of rich that prints no control characters but its own. Imported late, as rich is slow."""

from __future__ import annotations

from rich.console import Console, ConsoleOptions, ConsoleRenderable, RenderHook, RenderResult

from atlas_db.core.safe_text import visible


class _Guard(RenderHook):
    def process_renderables(self, renderables: list[ConsoleRenderable]) -> list[ConsoleRenderable]:
        return [_Guarded(each) for each in renderables]


class _Guarded:
    """What is printed, its text made visible. Styles, and the terminal codes that rich itself adds, stay."""

    def __init__(self, inner: ConsoleRenderable) -> None:
        self._inner = inner

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        for segment in console.render(self._inner, options):
            yield segment if segment.control else segment._replace(text=visible(segment.text))


class _Console(Console):
    def on_broken_pipe(self) -> None:
        """Leave the exit code to the command line: the default ends the process with 1."""
        raise BrokenPipeError


def guarded_console(*, stderr: bool = False, width: int | None = None) -> Console:
    """Return a console whose texts cannot act on the terminal.

    Args:
        stderr: True for standard error.
        width: Characters of a line; None for the terminal's.
    """
    console = _Console(stderr=stderr, highlight=False, width=width)
    console.push_render_hook(_Guard())
    return console
