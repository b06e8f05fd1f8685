"""Tests of `ingest/weights/probes/cka_similarity.py`."""

from __future__ import annotations

from pathlib import Path

import pytest

from ingest.weights.fingerprints.model_files import find_models
from ingest.weights.probes.cka_similarity import behaviour_clusters, functionally_equal, rank_similar
from ingest.weights.probes.probe_table import load_store_probes, probe_all, read_probes, save_store_probes
from tests.support.networks import llama

pytestmark = pytest.mark.slow


def test_similarity_ranks_copies_before_children_before_unrelated_models(models: Path, tmp_path: Path) -> None:
    probe_all(find_models([models]), tmp_path / "p.parquet", lambda *_: None)
    probes = list(read_probes([tmp_path / "p.parquet"]))
    ranked = rank_similar([p for p in probes if p.id == "a/base"], probes)
    assert [each.model for each in ranked] == ["a/copy", "a/tuned", "a/other"]
    assert ranked[0].similarity > 0.9999
    assert ranked[0].similarity > ranked[1].similarity > 0.8 > ranked[2].similarity
    assert all(each.difference is not None for each in ranked)
    assert behaviour_clusters(probes) == {
        "a/base": "a/base",
        "a/copy": "a/base",
        "a/tuned": "a/base",
        "a/other": "a/other",
    }
    save_store_probes(probes[:2], tmp_path, "one")
    save_store_probes(probes[1:], tmp_path, "one")
    assert {p.id for p in load_store_probes(tmp_path, "one")} == {p.id for p in probes}
    assert load_store_probes(tmp_path, "two") == []


def test_constant_answers_have_no_similarity(tmp_path: Path) -> None:
    import torch

    for seed, name in ((7, "a"), (8, "b")):
        model = llama(seed)
        torch.nn.init.zeros_(model.lm_head.weight)
        model.save_pretrained(tmp_path / name)
    probe_all(find_models([tmp_path]), tmp_path / "p.parquet", lambda *_: None)
    assert functionally_equal(list(read_probes([tmp_path / "p.parquet"]))) == []
