"""`atlas-db`: all commands. They import their modules when they run, so that --help stays fast."""

from __future__ import annotations

import sys
from contextlib import suppress
from typing import Annotated

import typer

import atlas_db
from atlas_db.cli import (
    analyse,
    audit,
    bom,
    chart,
    compare,
    complete,
    dashboard,
    demo,
    diff,
    doctor,
    embed,
    evaluate,
    explain,
    export,
    fetch,
    fingerprint,
    formats,
    gate,
    gpai,
    impact,
    licenses,
    lineage,
    load,
    mcp,
    notice,
    origin,
    query,
    run,
    runs,
    schema,
    similar,
    snapshot,
    status,
    store,
    verify,
)
from atlas_db.cli.common import Exit
from atlas_db.cli.crash_report import CrashReport
from atlas_db.cli.light_driver import hide_optional_libraries
from atlas_db.cli.output import drop_output, print_text
from atlas_db.cli.panels import PanelGroup

EPILOG = """Exit codes: 0 fine, 1 findings, 2 usage, 3 input, 4 store, 5 the atlas lacks records that the
audit needs, 6 the gate asks a person, 70 a fault of this program. A load that set bad items aside exits 0 and
reports them; 3 only when nothing was readable."""

ON_WINDOWS = """Error: atlas-db does not run on Windows itself: its local engine needs POSIX processes.
  Run it in WSL (wsl --install; then install atlas-db there), or in the container:
  docker build -f docker/Dockerfile -t atlas-db . && docker run --rm -v atlas:/home/atlas/data atlas-db demo"""

app = typer.Typer(
    name="atlas-db",
    cls=PanelGroup,
    help="An atlas of the world's machine-learning models as a graph you can query.",
    epilog=EPILOG,
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _print_version(wanted: bool) -> None:
    if wanted:
        print_text(atlas_db.__version__)
        raise typer.Exit


@app.callback()
def _atlas_db(
    _: Annotated[
        bool, typer.Option("--version", "-V", is_eager=True, callback=_print_version, help="Print the version.")
    ] = False,
) -> None:
    """Handle the options before the command."""


app.command("demo", help=demo.HELP)(demo.demo)
app.command("run", help=run.HELP)(run.run)
app.command("load", help=load.HELP)(load.load)
app.command("fetch", help=fetch.HELP)(fetch.fetch)
app.command("fingerprint", help=fingerprint.HELP)(fingerprint.fingerprint)
app.command("formats", help=formats.HELP)(formats.formats)
app.command("chart", help=chart.HELP)(chart.chart)
app.command("origin", help=origin.HELP)(origin.origin)
app.command("verify", help=verify.HELP)(verify.verify)
app.command("similar", help=similar.HELP)(similar.similar)
app.command("embed", help=embed.HELP)(embed.embed)
app.command("complete", help=complete.HELP)(complete.complete)
app.command("explain", help=explain.HELP)(explain.explain)
app.command("evaluate", help=evaluate.HELP)(evaluate.evaluate)
app.command("query", help=query.HELP)(query.query)
app.command("lineage", help=lineage.HELP)(lineage.lineage)
app.command("audit", help=audit.HELP)(audit.audit)
app.command("bom", help=bom.HELP)(bom.bom)
app.command("gate", help=gate.HELP)(gate.gate)
app.command("notice", help=notice.HELP)(notice.notice)
app.command("impact", help=impact.HELP)(impact.impact)
app.command("gpai", help=gpai.HELP)(gpai.gpai)
app.command("snapshot", help=snapshot.HELP)(snapshot.snapshot)
app.command("analyse", help=analyse.HELP)(analyse.analyse)
app.command("compare", help=compare.HELP)(compare.compare)
app.command("diff", help=diff.HELP)(diff.diff)
app.command("export", help=export.HELP)(export.export)
app.command("dashboard", help=dashboard.HELP)(dashboard.dashboard)
app.command("mcp", help=mcp.HELP)(mcp.mcp)
app.command("licenses", help=licenses.HELP)(licenses.licenses)
app.command("status", help=status.HELP)(status.status)
app.add_typer(runs.app, name="runs")
app.add_typer(store.app, name="store")
app.command("schema", help=schema.HELP)(schema.schema)
app.command("doctor", help=doctor.HELP)(doctor.doctor)


def main() -> None:
    """Run the command line."""
    if sys.platform == "win32":
        sys.stderr.write(f"{ON_WINDOWS}\n")
        raise SystemExit(Exit.USAGE)
    hide_optional_libraries()
    with CrashReport():
        try:
            app()
        except SystemExit:
            # typer wraps the output where it met a broken pipe itself, as in --help
            if type(sys.stdout).__name__ != "PacifyFlushWrapper":
                with suppress(BrokenPipeError):
                    sys.stdout.flush()
                    raise
            # What is left could not be written: whoever read it has enough.
            drop_output()
            raise SystemExit(Exit.FINE) from None


if __name__ == "__main__":
    main()
