"""Weights behind HTTP, from a Hub on loopback that redirects to another host, throttles, and cuts short."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import gguf
import numpy as np
import pytest

from atlas_db.core.errors import HubError, WeightsError
from ingest.formats.open_model import open_model
from ingest.weights.fingerprints.batch import fingerprint_all
from ingest.weights.fingerprints.fingerprint import compute_fingerprint
from ingest.weights.fingerprints.http_range import open_remote
from ingest.weights.fingerprints.model_files import find_models
from ingest.weights.fingerprints.parquet import read_fingerprints
from tests.support.diffusion_pipelines import parts_of, write_pipeline
from tests.support.families import print_of, root, write
from tests.support.hub_server import HubServer, serving


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[HubServer]:
    write(tmp_path / "repos" / "own" / "m", root(1), "BF16", shards=3)
    with serving(tmp_path / "repos", monkeypatch) as server:
        yield server


def test_the_fingerprint_is_that_of_the_files(hub: HubServer, tmp_path: Path) -> None:
    hub.mishaps = [500, 503]
    out = tmp_path / "fp.parquet"
    (found,) = find_models([Path("own/m")])
    assert (found.id, found.revision, found.created_at) == ("own/m", "c0ffee", "2024-05-01T00:00:00.000Z")
    report = fingerprint_all([found], out, lambda *_: None)
    assert not report.failed
    (item,) = read_fingerprints([out])
    assert item.location == "hub:own/m@c0ffee"
    local = print_of(hub.folder / "own" / "m")
    assert item.weights_hash == local.weights_hash
    np.testing.assert_array_equal(item.sample.values, local.sample.values)
    assert report.read_bytes == hub.other.sent  # type: ignore[union-attr]
    again = fingerprint_all(find_models([Path("own/m")]), out, lambda *_: None)
    assert (again.made, again.kept) == (0, 1)


def test_the_token_goes_to_no_other_host(hub: HubServer) -> None:
    with open_remote("own/m", "c0ffee") as model:
        compute_fingerprint(model, "own/m")
    assert set(hub.tokens) == {"Bearer hf_secret"}
    assert set(hub.other.tokens) == {""}  # type: ignore[union-attr]


def test_what_the_hub_does_not_send_is_named(hub: HubServer, tmp_path: Path) -> None:
    assert hub.other is not None
    hub.other.short = True
    with pytest.raises(WeightsError, match="were asked for"):
        open_remote("own/m", "c0ffee")
    with pytest.raises(HubError, match="404"):
        find_models([Path("own/nothing")])
    (hub.folder / "own" / "none").mkdir()
    with pytest.raises(WeightsError, match="neither safetensors nor GGUF"):
        open_remote("own/none", "c0ffee")


@pytest.mark.parametrize("words", [0, pytest.param(100_000, marks=pytest.mark.slow)])
def test_a_remote_gguf_file_is_read_by_ranges(hub: HubServer, words: int) -> None:
    """A long vocabulary makes a header of more than the first piece that is fetched."""
    assert hub.other is not None
    folder = hub.folder / "own" / "gguf"
    folder.mkdir()
    rng = np.random.default_rng(0)
    writer = gguf.GGUFWriter(folder / "m.gguf", "llama")
    writer.add_head_count(4)
    if words:
        writer.add_token_list([f"word{number}" for number in range(words)])
    kind = gguf.GGMLQuantizationType.Q8_0
    for layer in range(4):
        value = rng.normal(size=(1024, 1024)).astype(np.float32)
        writer.add_tensor(f"blk.{layer}.attn_q.weight", gguf.quants.quantize(value, kind), raw_dtype=kind)
    for step in (writer.write_header_to_file, writer.write_kv_data_to_file, writer.write_tensors_to_file, writer.close):
        step()
    (folder / "small.gguf").write_bytes(b"GGUF")
    with open_remote("own/gguf", "c0ffee") as model:
        there = compute_fingerprint(model, "own/gguf")
        assert model.read_bytes == hub.other.sent
        assert words or model.read_bytes < model.size / 2
    (folder / "small.gguf").unlink()
    here = print_of(folder)
    assert there.weights_hash == here.weights_hash
    assert there.sample.names == ["layers.0.self_attn.q_proj.weight", *there.sample.names[1:]]
    np.testing.assert_array_equal(there.sample.values, here.sample.values)
    (folder / "m.gguf").write_bytes((folder / "m.gguf").read_bytes()[:2000])
    with pytest.raises(WeightsError, match="GGUF header"):
        open_remote("own/gguf", "c0ffee")


def test_a_pipeline_is_read_by_ranges_as_on_disk(hub: HubServer) -> None:
    folder = write_pipeline(hub.folder / "own" / "pipe", parts_of(3))
    (folder / "beside.safetensors").write_bytes(b"beside")
    with open_remote("own/pipe", "c0ffee") as model:
        there = compute_fingerprint(model, "own/pipe")
    here = print_of(folder)
    assert there.weights_hash == here.weights_hash and there.components == here.components
    assert len(there.problems) == 1 and "beside.safetensors" in there.problems[0]
    (folder / "vae" / "diffusion_pytorch_model.safetensors").unlink()
    with open_remote("own/pipe", "c0ffee") as model:
        assert model.components["vae"] is None and "own/pipe/vae holds no weights" in model.problems[-1]


QUANTIZED = Path("tests/ingest/formats/quantized/data")
ONNX = Path("tests/ingest/formats/onnx_files/data")


def put(hub: HubServer, *files: Path, folder: str = "") -> None:
    """Lay files into the repository own/q."""
    target = hub.folder / "own" / "q" / folder
    target.mkdir(parents=True, exist_ok=True)
    for file in files:
        name = file.name.replace(file.stem, "model") if file.suffix == ".safetensors" else file.name
        shutil.copy(file, target / name)


@pytest.mark.parametrize(
    "file",
    [
        *(QUANTIZED / f"{name}.safetensors" for name in (
            "bitsandbytes-nf4-double", "bitsandbytes-int8", "gptq-3", "gptq-4", "exl2-mixed", "hqq-3-axis-1",
            "quanto-qint2", "torchao-nvfp4", "torchao-int4-packed", "gpt-oss",
        )),
        *(ONNX / f"{name}.onnx" for name in ("named-by-path", "matmul-4-bits", "dynamic-int8", "in-another-file")),
    ],
    ids=lambda file: file.stem,
)  # fmt: skip
def test_values_are_those_on_disk(hub: HubServer, file: Path) -> None:
    put(hub, file, *file.parent.glob(f"{file.name}_data"), folder="onnx" if file.suffix == ".onnx" else "")
    with open_model(hub.folder / "own" / "q") as model, open_remote("own/q", "c0ffee") as remote:
        assert (remote.problems, remote.container) == (model.problems, model.container)
        assert remote.matrices.keys() == model.matrices.keys()
        for name, matrix in model.matrices.items():
            rows = np.arange(0, matrix.rows, 3)
            np.testing.assert_array_equal(remote.matrices[name].read(rows), matrix.read(rows))


@pytest.mark.parametrize("file", [QUANTIZED / "gptq-4.safetensors", QUANTIZED / "exl2-mixed.safetensors"], ids=str)
def test_codes_of_which_a_row_takes_many_requests_are_refused(
    hub: HubServer, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ingest.formats.byte_source.MAX_WHOLE_READ_BYTES", 0)
    put(hub, file)
    with open_remote("own/q", "c0ffee") as model:
        assert "layers.0.self_attn.k_proj.weight" not in model.matrices
        assert any("download the model first" in problem for problem in model.problems)


def test_onnx_that_is_too_large_or_not_whole_is_refused(hub: HubServer, monkeypatch: pytest.MonkeyPatch) -> None:
    put(hub, ONNX / "in-another-file.onnx")
    with pytest.raises(WeightsError, match="in-another-file.onnx_data is not there"):
        open_remote("own/q", "c0ffee")
    put(hub, ONNX / "in-another-file.onnx_data")
    monkeypatch.setattr("ingest.formats.onnx_files.onnx_matrices.MAX_WHOLE_REQUEST_BYTES", 0)
    with pytest.raises(WeightsError, match=r"no tensor that can be read|download the model first"):
        open_remote("own/q", "c0ffee")
