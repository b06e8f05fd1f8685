"""Tests of `ingest/weights/tree/behavioural_edges.py`."""

from __future__ import annotations

from pathlib import Path

import pytest

from atlas_db.core.terms import Relation
from ingest.weights.chart import chart
from ingest.weights.fingerprints.batch import fingerprint_all
from ingest.weights.fingerprints.model_files import find_models
from ingest.weights.fingerprints.parquet import read_fingerprints
from ingest.weights.parameters.probe_parameters import PROBE
from ingest.weights.probes.cka_similarity import functionally_equal
from ingest.weights.probes.probe_table import probe_all, read_probes, sidecar_path
from ingest.weights.samples.model_families import affected_families
from ingest.weights.samples.resample import Resampler
from ingest.weights.tree.behavioural_edges import functional_partners
from ingest.weights.tree.edge import found_by
from tests.support.networks import SMALL

pytestmark = pytest.mark.slow


def test_a_rewritten_copy_answers_the_same_and_is_charted(models: Path, tmp_path: Path) -> None:
    out = tmp_path / "fp.parquet"
    found = find_models([models])
    fingerprint_all(found, out, lambda *_: None)
    report = probe_all(found, sidecar_path(out), lambda *_: None)
    assert report.made == 4
    assert not report.skipped
    probes = list(read_probes([sidecar_path(out)]))
    assert {probe.id for probe in probes} == {item.id for item in found}
    assert [pair[:2] for pair in functionally_equal(probes)] == [("a/base", "a/copy")]
    prints = list(read_fingerprints([out]))
    blind = {(edge.child, edge.parent) for edge in chart(prints, Resampler())}
    assert blind == {("a/tuned", "a/base")}, "the weights alone cannot tell whose copy it is"
    edges = {(edge.child, edge.parent): edge for edge in chart(prints, Resampler(), probes=probes)}
    assert edges.keys() == {("a/tuned", "a/base"), ("a/copy", "a/base")}
    edge = edges["a/copy", "a/base"]
    assert edge.relation is Relation.DUPLICATE
    assert found_by(edge.evidence) == "same outputs"
    assert edge.evidence.output_difference < PROBE.max_equal_difference
    assert edge.confidence > 0.9
    undated = {(e.child, e.parent): e for e in chart(prints, Resampler(), probes=probes, time=False)}
    assert {frozenset(pair) for pair in undated} >= {frozenset(("a/copy", "a/base"))}
    assert min(e.confidence for pair, e in undated.items() if "a/copy" in pair) <= 0.5, "nothing says which came first"
    again = probe_all(found, sidecar_path(out), lambda *_: None)
    assert (again.made, again.kept) == (0, 4)
    assert functional_partners(probes, {"a/copy"}) == {"a/base"}
    come = [item for item in prints if item.id == "a/copy"]
    joined = affected_families(prints, {item.id for item in come} | functional_partners(probes, {"a/copy"}))
    assert {(e.child, e.parent) for e in chart(joined, Resampler(), probes=probes)} == edges.keys()


def test_heads_keep_no_relatives_apart(tmp_path: Path) -> None:
    """A body saved alone, and the same one fine-tuned under heads for three and for seven labels."""
    import torch
    import transformers

    torch.manual_seed(0)
    shape = {**SMALL, "hidden_size": 64, "vocab_size": 200}
    body = transformers.BertModel(transformers.BertConfig(**shape))
    body.save_pretrained(tmp_path / "body")
    for labels in (3, 7):
        model = transformers.BertForSequenceClassification(transformers.BertConfig(**shape, num_labels=labels))
        model.bert.load_state_dict(body.state_dict())
        for weights in model.bert.parameters():
            weights.data += 0.02 * torch.randn_like(weights) * weights.data.std() if weights.dim() > 1 else 0
        model.save_pretrained(tmp_path / f"labels-{labels}")
    out = tmp_path / "fp.parquet"
    fingerprint_all(find_models([tmp_path]), out, lambda *_: None)
    prints = list(read_fingerprints([out]))
    assert len({item.family_key for item in prints}) == 1
    assert {(e.child, e.parent) for e in chart(prints, Resampler())} == {("labels-3", "body"), ("labels-7", "body")}
