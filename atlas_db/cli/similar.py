"""`atlas-db similar`: models with outputs similar to one model's."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from atlas_db.cli.common import FormatOption, StoreOption, guarded, home_of, opened, settings_for
from atlas_db.cli.output import Format, write_rows
from atlas_db.core.errors import ModelNotProbedError
from atlas_db.core.extras import require_extra

HELP = """Find models whose outputs on fixed inputs are similar to those of one model.

MODEL is the id of a model that was probed, or a folder of weights, which is run now (extra `probe`). `similarity` is
the linear centred kernel alignment of the last layers, 0 to 1. It needs no common order of neurons, width or head.
`difference` is the relative difference of the outputs, where they have the same shape: below 0.01 the models compute
the same function. Probes come from --probes, or are those that `chart --store` stored.

Examples:

  atlas-db similar atlas-demo/tern-chat

  atlas-db similar path/to/unknown-model --probes fp.probes.parquet --limit 5
"""


@guarded
def similar(
    model: Annotated[str, typer.Argument(help="A model's id, or a folder of weights.", show_default=False)],
    probes: Annotated[
        list[Path] | None, typer.Option("--probes", help="Files that fingerprint --probe wrote.", show_default=False)
    ] = None,
    limit: Annotated[int, typer.Option("--limit", min=1, help="Models at most.")] = 10,
    store: StoreOption = None,
    form: FormatOption = Format.HUMAN,
) -> None:
    """Rank models by the similarity of their outputs."""
    from ingest.weights.probes.cka_similarity import rank_similar
    from ingest.weights.probes.probe_table import Probe, read_probes

    if probes:
        known = list(read_probes(probes))
    else:
        from atlas_db.store.connect import ensure_schema
        from ingest.weights.probes.probe_table import load_store_probes

        settings = settings_for(store)
        with opened(settings) as graph:
            known = load_store_probes(home_of(settings), ensure_schema(graph))
    own = [item for item in known if item.id == model]
    if not own and Path(model).is_dir():
        require_extra("probe")
        from ingest.weights.probes.forward_probe import probe_model

        own = [Probe("", model, "", *answer) for answer in probe_model(Path(model))]
    if not own:
        raise ModelNotProbedError(model, hint="Probe it: atlas-db fingerprint FOLDER --probe --out fp.parquet")
    columns = ("model", "kind", "similarity", "difference")
    write_rows(columns, [each._asdict() for each in rank_similar(own, known, limit)], form)
