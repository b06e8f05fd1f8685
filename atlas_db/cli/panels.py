"""`atlas-db --help`: the verbs in groups, each with the whole first sentence of its help."""

from __future__ import annotations

from typing import Any

from typer.core import TyperGroup

PANELS = {
    "Start": ("demo", "run", "doctor"),
    "Build": ("fetch", "load", "fingerprint", "chart", "embed", "complete"),
    "Ask": ("query", "lineage", "origin", "similar", "compare", "explain", "analyse", "evaluate", "diff"),
    "Licences and bills of materials": ("audit", "gate", "notice", "impact", "gpai", "bom", "verify", "licenses"),
    "See and hand on": ("dashboard", "export", "snapshot", "mcp"),
    "Store": ("status", "runs", "store", "schema", "formats"),
}
"""Verbs by panel, in order. A verb that no panel names stands in the last one."""


class PanelGroup(TyperGroup):
    """All verbs."""

    def format_commands(self, ctx: Any, formatter: Any) -> None:  # noqa: ANN401 (typer's own copies of click's classes)
        """Write the verbs, panel by panel."""
        left = dict.fromkeys(self.list_commands(ctx))
        panels = {title: [name for name in names if name in left] for title, names in PANELS.items()}
        named = {name for names in panels.values() for name in names}
        panels[next(reversed(panels))] += [name for name in left if name not in named]
        width = max(map(len, left))
        for title, names in panels.items():
            commands = {name: self.get_command(ctx, name) for name in names}
            rows = [(f"{name:<{width}}", _sentence(found.help)) for name, found in commands.items() if found]
            with formatter.section(title):
                formatter.write_dl(rows)


def _sentence(text: str | None) -> str:
    """Return the first sentence of a help text."""
    first = " ".join((text or "").strip().partition("\n\n")[0].split())
    return first.partition(". ")[0].rstrip(".:")
