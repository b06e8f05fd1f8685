"""`atlas-db dashboard`: the atlas in the browser."""

from __future__ import annotations

import socket
import sys
from contextlib import ExitStack
from pathlib import Path
from typing import Annotated

import typer

from atlas_db.cli.common import Exit, StoreOption, guarded, home_of, opened, settings_for, shown_progress
from atlas_db.cli.output import print_text
from atlas_db.core.errors import UsageError
from atlas_db.core.extras import require_extra
from atlas_db.core.settings import Settings

HELP = """Show the atlas in the browser: map, families, models, ecosystem, audit, quality, runs.

It is served on loopback, read-only, without files from elsewhere. Statistics are computed by load, or before the first
start (a minute for 680,000 models), and kept. After other runs they are computed in the background. Every page is also
available as JSON at the same address (?format=json); /openapi.json describes them. With --export the same pages go to
a folder that opens from a disk. Needs the extra `dashboard`.

Examples:

  atlas-db dashboard

  atlas-db dashboard --port 9000 --store bolt://localhost:7687

  atlas-db dashboard --export site/ --models 1000
"""


@guarded
def dashboard(
    host: Annotated[str, typer.Option("--host", help="127.0.0.1, localhost or ::1: it has no log-in.")] = "127.0.0.1",
    port: Annotated[int, typer.Option("--port", min=0, max=65535, help="Port; 0 takes a free one.")] = 8321,
    export: Annotated[Path | None, typer.Option("--export", help="Write the pages to this folder instead.")] = None,
    models: Annotated[
        int, typer.Option("--models", min=0, help="With --export: models with a page of their own.")
    ] = 500,
    store: StoreOption = None,
) -> None:
    """Serve or export the dashboard."""
    require_extra("dashboard")
    settings = settings_for(store)
    home_of(settings)
    if export is not None:
        _export(settings, export, models)
    else:
        _serve(settings, host, port)


def _export(settings: Settings, out: Path, models: int) -> None:
    from atlas_db.dashboard.aggregates import fresh_bundle
    from atlas_db.dashboard.export import export_site, require_replaceable

    require_replaceable(out)
    with opened(settings) as graph, shown_progress() as progress:
        counts = export_site(graph, fresh_bundle(graph, settings.home, progress), out, models, progress)
    print_text(f"{out / 'index.html'}: {counts['pages']:,} pages in {counts['files']:,} files")


def _serve(settings: Settings, host: str, port: int) -> None:
    import uvicorn

    from atlas_db.dashboard.app import LOOPBACK, create_app
    from atlas_db.dashboard.serving.app_state import AppState

    if host not in LOOPBACK:
        raise UsageError(
            f"{host} is not this machine, and the dashboard has no log-in",
            hint="Serve it on 127.0.0.1 and put a proxy with a log-in before it, or share an --export",
        )
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # Without the protocol asyncio leaves Nagle on: 40 ms for each answer (github.com/Kludex/uvicorn/issues/3149).
    with socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((host.strip("[]"), port))
            listener.listen()
        except OSError as error:
            raise UsageError(f"port {port} is taken ({error.strerror})", hint="Give another with --port") from error
        shown = f"[{host}]" if ":" in host and "[" not in host else host
        with ExitStack() as until:
            with shown_progress() as progress:
                state = until.enter_context(AppState(settings, progress))
            print_text(f"http://{shown}:{listener.getsockname()[1]}/  (Ctrl-C stops it)", "bold")
            sys.stdout.flush()
            config = uvicorn.Config(create_app(state), log_level="warning", access_log=False, server_header=False)
            uvicorn.Server(config).run(sockets=[listener])
    raise typer.Exit(Exit.FINE)
