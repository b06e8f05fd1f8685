"""Imports the database driver without pandas, numpy, pyarrow and its asynchronous half, of no use to a short command.

The driver (neo4j 6) imports all three libraries where they are installed, to accept their values as parameters. That
costs a verb four times what the rest of the driver costs. The command line passes plain values alone. The asynchronous
half repeats the other one, and is a sixth of the rest.
"""

from __future__ import annotations

import sys
from types import ModuleType

_OPTIONAL = "neo4j._optional_deps"
_ASYNCHRONOUS = ("neo4j._async.driver", "neo4j._async.work", "neo4j._async.auth_management")


class _Absent(ModuleType):
    """A module in which all names are None: so the driver's own answers where nothing optional is installed."""

    def __getattr__(self, name: str) -> None:
        if name.startswith("__"):
            raise AttributeError(name)


def hide_optional_libraries() -> None:
    """Let the driver find no optional library and nothing asynchronous; nothing where it is imported already.

    For processes of our own alone: a program that shares the driver with us may pass their values.
    """
    if "neo4j" not in sys.modules:
        for name in (_OPTIONAL, *_ASYNCHRONOUS):
            sys.modules[name] = _Absent(name)
        package = _Absent("neo4j._async")
        package.__path__ = []
        sys.modules[package.__name__] = package
