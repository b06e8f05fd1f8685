"""Completion of real models: the authors whose names hash to one of forty, split by time."""

from __future__ import annotations

import io
import zlib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import zstandard

from atlas_db.columnar.graph import Graph, days_since_epoch
from atlas_db.columnar.read import read_graph
from atlas_db.core.settings import Settings
from atlas_db.store.connect import open_store
from gnn.dataset.tasks import TASKS, leaking_tags, target_column
from gnn.evaluation.evaluate import evaluate, split
from ingest.load.load_records import load
from ingest.load.stream import LoadOptions

pytestmark = [pytest.mark.real_data, pytest.mark.slow, pytest.mark.train, pytest.mark.timeout(900)]
CUTOFF, UNTIL = "2024-02-01T00:00:00Z", "2024-06-01T00:00:00Z"


@pytest.fixture
def graph(own_engine: Settings, data: Path, tmp_path: Path) -> Graph:
    """The graph of some authors, of an engine of its own: to empty a shared one of it would take a minute."""
    some = tmp_path / "some.jsonl"
    with (data / "hub-2024-07" / "models.jsonl.zst").open("rb") as raw, some.open("w", encoding="utf-8") as out:
        for line in io.TextIOWrapper(zstandard.ZstdDecompressor().stream_reader(raw), encoding="utf-8"):
            start = line.index('"id":"') + 6
            owner = line[start : line.index('"', start)].partition("/")[0]
            if zlib.crc32(owner.encode()) % 40 == 0:
                out.write(line)
    with open_store(replace(own_engine, heap="1g")) as store:
        load(store, [str(some)], LoadOptions(tmp_path))
        return read_graph(store)


def test_real_models(graph: Graph) -> None:
    """Lower than the published numbers, so that a change for the worse fails and noise does not."""
    assert len(graph) > 15_000
    visible, tested = split(graph, TASKS["license"], "temporal", days_since_epoch(CUTOFF), days_since_epoch(UNTIL))
    assert not visible[tested].any()
    field, bare = evaluate(graph, TASKS["license"], cutoff=CUTOFF, until=UNTIL)
    table = {row["method"]: row for row in field.rows}
    assert (
        table["atlas-db"]["accuracy"] > max(table[name]["accuracy"] for name in ("majority", "sibling majority")) + 0.03
    )
    assert table["atlas-db"]["ECE"] < 0.1
    assert bare.rows[-1]["accuracy"] > 0.5
    for attribute in ("license", "pipeline_tag", "library_name"):
        message = leaking_tags(graph, attribute)
        tags = graph.columns["tags"]
        shown = {name for name in tags.categories if not message(name)}
        names = set(target_column(graph, attribute).categories) - {"gemma", "llama2", "llama3"}
        assert not shown & names, attribute
    assert np.isfinite(graph.created).all()
