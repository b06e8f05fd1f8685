"""`atlas-db doctor`: checks of the installation."""

from __future__ import annotations

import importlib.util
import os
import platform
import shutil
from collections.abc import Callable
from pathlib import Path

import typer

from atlas_db.cli.common import Exit, ReportFormatOption, StoreOption, guarded, home_of, settings_for
from atlas_db.cli.output import Format, print_text, write_json, write_line
from atlas_db.core.errors import AtlasError
from atlas_db.core.extras import EXTRAS, missing_package
from atlas_db.core.settings import Settings

HELP = """Check the installation, the engines and the store.

Each failed check prints its remedy. Exit code 1 if a check fails.

Examples:

  atlas-db doctor

  atlas-db doctor --store bolt://127.0.0.1:7687
"""
PACKAGES = ("atlas_db", "ingest", "gnn", "cypher")


@guarded
def doctor(store: StoreOption = None, form: ReportFormatOption = Format.HUMAN) -> None:
    """Check the installation."""
    settings = settings_for(store)
    checks: tuple[tuple[str, Callable[[Settings], str]], ...] = (
        ("system", _system),
        ("packages", _packages),
        ("extras", _extras),
        ("home", _home),
        ("engine", _engine),
        ("store", _store),
    )
    found = []
    for name, check in checks:
        try:
            found.append({"check": name, "ok": True, "detail": check(settings)})
        except (AtlasError, OSError) as error:
            found.append({"check": name, "ok": False, "detail": str(error)})
    if form is Format.JSON:
        write_json({"checks": found, "ok": all(entry["ok"] for entry in found)})
    elif form is not Format.QUIET:
        for entry in found:
            print_text(
                f"{'ok ' if entry['ok'] else 'BAD'}  {entry['check']:<9} {entry['detail']}",
                "" if entry["ok"] else "red",
            )
    else:
        write_line("ok" if all(entry["ok"] for entry in found) else "bad")
    if not all(entry["ok"] for entry in found):
        raise typer.Exit(Exit.FINDINGS)


def _system(_: Settings) -> str:
    return f"Python {platform.python_version()} on {platform.system()} {platform.machine()}, {os.cpu_count()} cores"


def _packages(_: Settings) -> str:
    """Check that all packages come from one place: generic names can be shadowed in a shared environment."""
    roots = {}
    for name in PACKAGES:
        spec = importlib.util.find_spec(name)
        if spec is None or spec.origin is None:
            raise AtlasError(f"the package {name} is missing", hint="Reinstall model-atlas-db")
        roots[name] = Path(spec.origin).parent.parent
    for name, root in roots.items():
        if root != roots["atlas_db"]:
            raise AtlasError(
                f"another distribution at {root} shadows our package {name}",
                hint="Install model-atlas-db in an environment of its own",
            )
    return f"all from {roots['atlas_db']}"


def _extras(_: Settings) -> str:
    """List the extras; none has to be there."""
    present = [name for name in EXTRAS if not missing_package(name)]
    absent = [name for name in EXTRAS if name not in present]
    return f"{', '.join(present) or 'none'}; not installed: {', '.join(absent) or 'none'}"


def _home(settings: Settings) -> str:
    home = home_of(settings)
    if not os.access(home, os.W_OK):
        raise AtlasError(f"{home} is not writable", hint="Set ATLAS_DB_HOME to a folder that is")
    free = shutil.disk_usage(home).free
    if free < 2 * 2**30:
        raise AtlasError(f"{home} has only {free / 2**30:.1f} GiB free", hint="Free some, or set ATLAS_DB_HOME")
    return f"{home}, {free / 2**30:,.0f} GiB free"


def _engine(settings: Settings) -> str:
    from atlas_db.store.connect import local_place

    place = local_place(settings)
    if place is None:
        return "a server by URL"
    engine, directory = place
    version = engine.version(settings.neo4j_version, directory)
    return f"{' '.join(filter(None, (engine.name, version)))}, Java runtime {engine.java(version)}"


def _store(settings: Settings) -> str:
    from atlas_db.store.connect import open_store

    with open_store(settings) as graph:
        return f"{graph.engine} at {graph.address} responds"
