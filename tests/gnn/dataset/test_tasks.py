"""Tests of `gnn/dataset/tasks.py`."""

from __future__ import annotations

import pytest

from atlas_db.columnar.graph import Graph
from gnn.dataset.tasks import RELATION, leaking_tags, rows_missing


@pytest.mark.train
def test_masks_hide_what_states_the_target(graph: Graph) -> None:
    message = leaking_tags(graph, "license")
    assert message("mit") and not message("transformers") and not message("llama2")
    assert leaking_tags(graph, "pipeline_tag")("text-generation") and leaking_tags(graph, "pipeline_tag")(
        "endpoints_compatible"
    )
    assert leaking_tags(graph, "library_name")("diffusers:StableDiffusionPipeline") and leaking_tags(graph, "datasets")(
        "imdb"
    )
    assert leaking_tags(graph, "base_model")("base_model:x") and not leaking_tags(graph, "base_model")("imdb")


@pytest.mark.train
def test_only_models_with_a_declared_parent_lack_a_relation(typed_graph: Graph) -> None:
    lack = set(rows_missing(typed_graph, RELATION).tolist())
    declared = set(typed_graph.parents.rows[typed_graph.declared].tolist())
    assert lack == declared - set(typed_graph.columns[RELATION].codes.rows.tolist()) and lack
