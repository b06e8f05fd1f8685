"""`atlas-db snapshot`: ids, parents and licences of an atlas as one file, which `--store` opens."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from atlas_db.cli.common import ReportFormatOption, StoreOption, guarded, opened, settings_for, shown_progress
from atlas_db.cli.output import Format, print_text, write_json, write_line
from atlas_db.core.errors import UsageError

HELP = """Write a small atlas: ids, parents and licences in one Parquet file.

audit, bom, gate, notice, impact, gpai and lineage open it by --store FILE, without an engine. A job in CI needs nothing
else. Next to the file stands its SHA-256, which is checked when the file is opened: sha256sum --check FILE.sha256.

With models, only these and everything above them are written: a few kilobytes, to keep beside a model in git.

Examples:

  atlas-db snapshot atlas.parquet

  atlas-db snapshot ours.parquet mistralai/Mistral-7B-v0.1 google/gemma-2-9b

  atlas-db audit ./my-model --store atlas.parquet
"""


@guarded
def snapshot(
    file: Annotated[Path, typer.Argument(help="File to write, with the ending .parquet.", show_default=False)],
    models: Annotated[list[str] | None, typer.Argument(help="Only these models and what is above them.")] = None,
    store: StoreOption = None,
    form: ReportFormatOption = Format.HUMAN,
) -> None:
    """Write a snapshot of the atlas."""
    from atlas_db.lineage.traversal import not_found_error
    from atlas_db.snapshot.opening import SUFFIX, repositories_of
    from atlas_db.snapshot.repositories import named_models
    from atlas_db.snapshot.snapshot_file import closure, digest_file, write_repositories, write_snapshot
    from atlas_db.snapshot.table_store import TableStore

    if not file.name.lower().endswith(SUFFIX):
        raise UsageError(f"{file} has another ending than {SUFFIX}", hint=f"Name it {file.stem}{SUFFIX}")
    with opened(settings_for(store), to_read=True) as graph, shown_progress() as progress:
        place = repositories_of(graph)
        if models or isinstance(graph, TableStore):
            wanted = models or [each.id for each in named_models(place)]
            found = closure(place, wanted)
            known = {each.id for each in found}
            if absent := next((each for each in wanted if each not in known), None):
                raise not_found_error(graph, absent)
            rows = write_repositories(found, place.newest(), file)
        else:
            rows = write_snapshot(graph, file, progress)
    digest = digest_file(file).read_text(encoding="utf-8").split()[0]
    kinds = rows["kind"].to_pylist()
    counts = {f"{kind}s": kinds.count(kind) for kind in ("model", "dataset")}
    if form is Format.JSON:
        write_json({"file": str(file), "sha256": digest, "bytes": file.stat().st_size, **counts})
    elif form is Format.QUIET:
        write_line(digest)
    else:
        size = file.stat().st_size
        print_text(f"{file}: {counts['models']:,} models and {counts['datasets']:,} datasets, {size:,} bytes")
        print_text(f"  SHA-256 {digest}", "dim")
