"""Imports the database driver without pandas, numpy and pyarrow, which a short command has no use for.

The driver (neo4j 6) imports all three where they are installed, to accept their values as parameters. That costs a verb
four times what the rest of the driver costs. The command line passes plain values alone.
"""

from __future__ import annotations

import sys
from types import ModuleType

_NAME = "neo4j._optional_deps"


class _Absent(ModuleType):
    """A module that answers as the driver's own where nothing optional is installed: each library is None."""

    def __getattr__(self, name: str) -> None:
        if name.startswith("__"):
            raise AttributeError(name)


def hide_optional_libraries() -> None:
    """Let the driver find none of its optional libraries; does nothing where the driver is imported already.

    For processes of our own alone: a program that shares the driver with us may pass their values.
    """
    if "neo4j" not in sys.modules:
        sys.modules[_NAME] = _Absent(_NAME)
