"""Tests of `ingest/formats/onnx_files/onnx_graph.py`."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from atlas_db.core.errors import WeightsError
from ingest.formats.byte_source import ByteSource, LocalFile
from ingest.formats.onnx_files import onnx_graph
from ingest.formats.onnx_files.onnx_graph import OnnxGraph, read_graph
from ingest.formats.open_model import open_model

DATA = Path(__file__).parent / "data"


def graph_of(file: Path) -> OnnxGraph:
    def opened(name: str) -> ByteSource:
        return LocalFile(file.parent / name)

    with LocalFile(file) as source:
        return read_graph(source, opened)


def test_weights_are_found_and_not_read() -> None:
    graph = graph_of(DATA / "named-by-metadata.onnx")
    (node,) = (node for node in graph.nodes if node.kind == "MatMul")
    assert node.module == "layers.0.q_proj"
    weight = graph.initializers[node.inputs[1]]
    assert (weight.dtype, weight.shape) == ("F32", (64, 8))
    assert weight.source.bytes_read < 2**16 + 64 * 8 * 4
    packed = graph_of(DATA / "matmul-4-bits.onnx")
    (node,) = (node for node in packed.nodes if node.kind == "MatMulNBits")
    assert (node.attributes["N"], node.attributes["K"], node.attributes["bits"]) == (8, 64, 4)


@pytest.mark.parametrize("location", [b"../x", b"/etc/passwd", b"a/../../b"])
def test_weights_outside_of_the_folder_are_refused(tmp_path: Path, location: bytes) -> None:
    data = (DATA / "in-another-file.onnx").read_bytes()
    name = b"in-another-file.onnx_data"
    assert data.count(name) == 1
    padded = location + b"/" * (len(name) - len(location) - 1) + b"x"
    (tmp_path / "model.onnx").write_bytes(data.replace(name, padded))
    with pytest.raises(WeightsError, match="none of its folder"):
        graph_of(tmp_path / "model.onnx")


def test_a_name_that_no_disk_has_is_refused(tmp_path: Path) -> None:
    data = (DATA / "in-another-file.onnx").read_bytes()
    (tmp_path / "model.onnx").write_bytes(data.replace(b"in-another-file.onnx_data", b"in-another-file.onnx\0data"))
    with pytest.raises(WeightsError, match="cannot be opened"):
        open_model(tmp_path)


@pytest.mark.parametrize("digits", [19, 20, 5000])
def test_a_place_beyond_64_bits_is_not_there(tmp_path: Path, digits: int) -> None:
    (tmp_path / "x").write_bytes(bytes(16))
    with LocalFile(tmp_path / "x") as file, pytest.raises(WeightsError, match="that are not there"):
        onnx_graph._external("model.onnx", {"location": "x", "offset": "9" * digits}, lambda _: file)


def test_a_file_of_weights_that_is_cut_short_is_named(tmp_path: Path) -> None:
    shutil.copy(DATA / "in-another-file.onnx", tmp_path / "model.onnx")
    weights = (DATA / "in-another-file.onnx_data").read_bytes()
    (tmp_path / "in-another-file.onnx_data").write_bytes(weights[:-1])
    with pytest.raises(WeightsError, match="that are not there"):
        open_model(tmp_path)


def message(number: int, data: bytes) -> bytes:
    """A field of a protocol buffer that holds bytes, at most 16,383."""
    return bytes([number << 3 | 2, len(data) & 127 | 128, len(data) >> 7]) + data


SIDES = {
    "in a row": message(1, b"\x01" * 1000),
    "one a field": b"\x08\x01" * 65,
    "beyond 63 bits": b"\x08" + b"\xff" * 9 + b"\x01",
}


@pytest.mark.parametrize("sides", SIDES)
def test_sides_are_bounded_before_their_product_is_taken(tmp_path: Path, sides: str) -> None:
    initializer = SIDES[sides] + message(8, b"w" * 200)
    (tmp_path / "model.onnx").write_bytes(message(7, message(1, message(4, b"Add")) + message(5, initializer)))
    with pytest.raises(WeightsError, match="of more than 64 sides|'w{76}... has impossible sides"):
        graph_of(tmp_path / "model.onnx")


@pytest.mark.parametrize(("limit", "kept"), [(5, "ab"), (4, "ab"), (3, "a"), (1, "")])
def test_the_whole_numbers_of_all_initializers_are_bounded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, limit: int, kept: str
) -> None:
    parts = [b"\x08\x02\x10\x03" + message(5, b"\x01\x02") + message(8, name) for name in (b"a", b"b")]
    graph = message(1, message(4, b"Add")) + b"".join(message(5, part) for part in parts)
    (tmp_path / "model.onnx").write_bytes(message(7, graph))
    monkeypatch.setattr(onnx_graph, "MAX_NUMBERS", limit)
    found = graph_of(tmp_path / "model.onnx").initializers
    assert {name: each.numbers for name, each in found.items() if each.dtype} == dict.fromkeys(kept, (1, 2))


@pytest.mark.parametrize("file", sorted(DATA.glob("*.onnx")), ids=lambda file: file.stem)
def test_damaged_files_are_refused_or_read_as_what_they_say(tmp_path: Path, file: Path) -> None:
    data = file.read_bytes()
    shutil.copy(DATA / "in-another-file.onnx_data", tmp_path)
    random = np.random.default_rng(len(data))
    for number in range(60):
        changed = bytearray(data[: random.integers(len(data))] if number % 3 == 0 else data)
        for at in random.integers(0, max(len(changed), 1), 3):
            if len(changed):
                changed[min(int(at), len(changed) - 1) if number % 2 else int(at) % min(400, len(changed))] = (
                    random.integers(256)
                )
        (tmp_path / "model.onnx").write_bytes(bytes(changed))
        try:
            with open_model(tmp_path) as model:
                for matrix in model.matrices.values():
                    assert matrix.read(np.array([0])).shape == (1, matrix.columns)
        except WeightsError as error:
            assert "Error" not in str(error)
