"""The zoo of small models with known lineage: every file is read, or fails for the reason it was made for."""

from __future__ import annotations

import json
import tarfile
from pathlib import Path

import numpy as np
import pytest
import zstandard
from safetensors.numpy import load_file

from atlas_db.errors import WeightsError
from ingest.weights.folder import read_folder
from ingest.weights.safetensors import read_header, read_values
from ingest.weights.source import LocalFile

pytestmark = pytest.mark.real_data


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
            pickles += len(folder.pickles)
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
