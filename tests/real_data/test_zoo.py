"""The zoo of small models with known lineage: every file is read, or fails for the reason it was made for."""

from __future__ import annotations

import json
import tarfile
from pathlib import Path

import numpy as np
import pytest
import zstandard
from safetensors.numpy import load_file

from atlas_db.core.errors import WeightsError
from benchmarks.zoo.score import read_truth, score
from ingest.formats.byte_source import LocalFile
from ingest.formats.model_folder import read_folder
from ingest.formats.safetensors import read_header, read_values
from ingest.weights.chart import chart
from ingest.weights.fingerprints.batch import fingerprint_all
from ingest.weights.fingerprints.model_files import find_models
from ingest.weights.fingerprints.parquet import read_fingerprints
from ingest.weights.samples.resample import Resampler

pytestmark = [pytest.mark.real_data, pytest.mark.slow]


@pytest.fixture(scope="module")
def zoo(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("zoo")
    with (data / "zoo" / "zoo.tar.zst").open("rb") as handle:
        stream = zstandard.ZstdDecompressor().stream_reader(handle)
        with tarfile.open(fileobj=stream, mode="r|") as archive:
            archive.extractall(folder, filter="data")
    return folder / "zoo"


def test_every_model_is_read_or_named(zoo: Path) -> None:
    models = [json.loads(line) for line in (zoo / "hub.jsonl").read_text().splitlines()]
    problems: dict[str, str] = {}
    pickles = tensors = compared = 0
    for model in models:
        try:
            folder = read_folder(zoo / model["folder"])
            pickles += len(folder.others.get("pickle", []))
            for file in folder.files:
                with LocalFile(file) as source:
                    header = read_header(source)
                    tensors += len(header.tensors)
                    if any(tensor.dtype == "BF16" for tensor in header.tensors):
                        continue  # the reference implementation has no numpy type for it
                    reference = load_file(file)
                    for tensor in header.tensors:
                        ours = read_values(source, tensor)
                        np.testing.assert_array_equal(ours, reference[tensor.name].reshape(-1).astype(np.float32))
                        compared += 1
        except WeightsError as error:
            problems[model["id"]] = error.reason
    assert len(models) == 72
    assert (len(problems), pickles) == (2, 1), problems
    assert any("cut short" in reason for reason in problems.values())
    assert any("more than the format allows" in reason for reason in problems.values())
    assert tensors > 1500
    assert compared > 1000


def test_its_lineage_is_charted(zoo: Path, data: Path, tmp_path: Path) -> None:
    """Lower than the published numbers, so that a change for the worse fails and noise does not."""
    prints_file = tmp_path / "fp.parquet"
    report = fingerprint_all(find_models([zoo]), prints_file, lambda *_: None)
    assert (report.made, len(report.failed), report.pickles) == (69, 3, 1)
    prints = list(read_fingerprints([prints_file]))
    truth = read_truth(data / "zoo" / "truth.json")
    same = {item.id: item.weights_hash for item in prints}
    for read, time, least in ((Resampler(), True, 0.88), (Resampler(), False, 0.8), (None, True, 0.8)):
        edges = chart(prints, read, time=time)
        result = score(edges, truth, same, prints)
        assert result.f1 > least
        assert result.families > 0.99
        assert result.between_families == 0
        if read is not None and time:
            exact = ("quant_int4", "quant_int8", "quant_int4_deq", "quant_int8_deq", "cast_bf16", "cast_fp16",
                     "duplicate", "prune", "permuted", "merge_linear", "merge_slerp", "merge_task", "merge_ties")  # fmt: skip
            assert {kind: result.kinds[kind] for kind in exact if result.kinds[kind][0] < result.kinds[kind][1]} == {}
            assert result.roots == [5, 5]
            confident = [right for confidence, right in result.confidence if confidence >= 0.9]
            assert sum(confident) / len(confident) >= 0.97
