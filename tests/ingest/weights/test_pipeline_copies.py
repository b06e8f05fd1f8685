"""Tests of `ingest/weights/pipeline_copies.py`."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from atlas_db.core.terms import Relation
from atlas_db.fusion.evidence import OtherComponentsEvidence
from ingest.weights.chart import chart
from ingest.weights.fingerprints.model_files import find_models
from ingest.weights.parameters.confidence_parameters import CONFIDENCE
from ingest.weights.samples.resample import Resampler
from ingest.weights.tree.edge import Edge
from tests.support.diffusion_pipelines import encoder, parts_of, unet, write_pipeline
from tests.support.families import Weights, print_of, trained

PIPELINES: dict[str, dict[str, Weights]] = {
    "base": parts_of(3), "copy": parts_of(3), "vae-1": parts_of(3, vae=9), "vae-2": parts_of(3, vae=9),
    "other": parts_of(4), "tuned": {**parts_of(3), "unet": trained(unet(3), 5)},
}  # fmt: skip


def charted(folder: Path, *, dated: bool) -> dict[str, Edge]:
    for name, parts in PIPELINES.items():
        write_pipeline(folder / name, parts)
    prints = [
        print_of(folder / item.id, item.id, f"2024-01-{1 + list(PIPELINES).index(item.id):02d}" if dated else "")
        for item in find_models([folder])
    ]
    return {edge.child: edge for edge in chart(prints, Resampler())}


@pytest.mark.parametrize("dated", [True, False])
def test_duplicates_have_all_components_in_common(tmp_path: Path, *, dated: bool) -> None:
    edges = charted(tmp_path, dated=dated)
    assert "other" not in edges
    assert edges["tuned"].relation is Relation.FINETUNE
    assert (edges["copy"].parent, edges["copy"].relation) == ("base", Relation.DUPLICATE)
    assert (edges["vae-1"].parent, edges["vae-1"].relation) == ("base", Relation.FINETUNE)
    evidence = edges["vae-1"].evidence
    assert isinstance(evidence, OtherComponentsEvidence) and evidence.components == ["vae"]
    assert (edges["vae-2"].parent, edges["vae-2"].relation) == ("vae-1", Relation.DUPLICATE)
    assert edges["vae-2"].confidence == (CONFIDENCE.dated_duplicate if dated else CONFIDENCE.undated_duplicate)


def test_a_pipeline_is_one_model_and_a_folder_beside_its_components_another(tmp_path: Path) -> None:
    folder = write_pipeline(tmp_path / "zoo" / "p", parts_of(3))
    write_pipeline(tmp_path / "zoo" / "flux", {"transformer": unet(7), "vae": encoder(1)})
    (folder / "vae").rename(folder / "vae_old")
    write_pipeline(folder, parts_of(3))
    assert [item.id for item in find_models([tmp_path / "zoo"])] == ["flux", "p", "p/vae_old"]
    revision = find_models([folder])[0].revision
    (folder / "vae" / "config.json").write_text(json.dumps({"scaling_factor": 1}))
    assert find_models([folder])[0].revision != revision
    (folder / "model_index.json").write_text("{")
    assert [item.id for item in find_models([tmp_path / "zoo"])] == ["flux", "p"]
