"""Tests of `ingest/formats/quantized/quantized_formats.py` with matrices that the real tools quantized.

Each file in `data/` has the tensors of one matrix as a tool stores them, the configuration that the tool writes, and,
under `expected:NAME`, what the tool's own code dequantizes them to. Tools: mlx 0.32.4 (`mlx.core.quantize`),
compressed-tensors 0.19.0, torchao 0.18.0, bitsandbytes 0.50.2, transformers 5.23.0 (`convert_moe_packed_tensors`),
gptqmodel 7.6.0 (`TorchLinear`), optimum-quanto 0.2.7, hqq 0.2.8.post1, and the kernels of exllamav2
0.3.2, compiled for the CPU.
"""

from __future__ import annotations

import math
import re
from pathlib import Path

import numpy as np
import pytest

from atlas_db.core.errors import WeightsError
from ingest.formats.byte_source import LocalFile
from ingest.formats.open_model import open_model
from ingest.formats.quantized import (
    bitsandbytes,
    compressed_tensors,
    hqq,
    mlx,
    mxfp4_blocks,
    quanto,
    scaled_codes,
    torchao,
)
from ingest.formats.quantized.quantized_formats import QUANTIZED
from ingest.formats.quantized.transposed import exl2, gptq_awq
from ingest.formats.safetensors import item_size, read_header, read_values
from tests.support.safetensors_files import raw_safetensors
from tests.support.stored_formats import DATA, EXPECTED

FILES = sorted(DATA.glob("*.safetensors"))
FORMATS = {
    "bitsandbytes": bitsandbytes, "ct": compressed_tensors, "ct-fp8": scaled_codes, "ct-int8": scaled_codes,
    "ct-mxfp8": scaled_codes, "exl2": exl2, "gpt": mxfp4_blocks, "gptq": gptq_awq, "hqq": hqq, "mlx": mlx, "quanto": quanto,
    "torchao": torchao,
}  # fmt: skip
"""Module of the format of each file, by the beginning of its name."""
ARITHMETIC = 2.0**-20
"""Difference that the order of operations on 32-bit floats makes."""


def unpacked(file: Path, folder: Path) -> dict[str, np.ndarray]:
    """Write a fixture as a model's folder; return the expected matrices by the name that the tool gives them."""
    with LocalFile(file) as source:
        header = read_header(source)
        expected = {
            tensor.name.removeprefix(EXPECTED): read_values(source, tensor).reshape(tensor.shape)
            for tensor in header.tensors
            if tensor.name.startswith(EXPECTED)
        }
        stored = {
            tensor.name: (tensor.dtype, tensor.shape, source.read(tensor.start, tensor.stop))
            for tensor in header.tensors
            if not tensor.name.startswith(EXPECTED)
        }
        metadata = dict(header.metadata)
    folder.mkdir(exist_ok=True)
    (folder / "config.json").write_text(metadata.pop("config.json"))
    raw_safetensors(folder / "model.safetensors", stored, metadata)
    return expected


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_values_are_those_of_the_tool(file: Path, tmp_path: Path) -> None:
    expected = unpacked(file, tmp_path)
    form = FORMATS.get("-".join(file.stem.split("-")[:2])) or FORMATS[file.stem.split("-")[0]]
    with open_model(tmp_path) as model:
        assert model.problems == []
        for name, values in expected.items():
            found = [matrix for key, matrix in sorted(model.matrices.items()) if not matrix.vector]
            read = np.concatenate([matrix.read(np.arange(matrix.rows)) for matrix in found])
            wanted = values.reshape(-1, values.shape[-1])
            assert read.shape == wanted.shape, name
            stated = form.FORMAT.error
            assert stated is not None
            assert np.abs(read - wanted).max() <= (stated + ARITHMETIC) * np.abs(wanted).max()


def test_every_format_has_files_of_its_tool() -> None:
    assert {module.FORMAT.name for module in FORMATS.values()} == {each.name for each in QUANTIZED}


@pytest.mark.parametrize("seed", range(12))
def test_headers_that_lie_are_refused_or_read_as_what_they_say(tmp_path: Path, seed: int) -> None:
    """Types, sides and settings of real files are changed at random: nothing but an error of its own comes out."""
    random = np.random.default_rng(seed)
    for number in range(12):
        folder = tmp_path / str(number)
        unpacked(FILES[random.integers(len(FILES))], folder)
        lie(folder, random)
        try:
            model = open_model(folder)
        except WeightsError:
            continue
        with model:
            for matrix in model.matrices.values():
                rows = np.arange(min(matrix.rows, 2))
                try:
                    assert matrix.read(rows).shape == (len(rows), matrix.columns)
                except WeightsError as error:
                    assert str(folder) in str(error)


def lie(folder: Path, random: np.random.Generator) -> None:
    """Change the type or the sides of some tensors of a model, and numbers in its configuration."""
    file = folder / "model.safetensors"
    stored = {}
    with LocalFile(file) as source:
        header = read_header(source)
        for tensor in header.tensors:
            dtype, sides, data = tensor.dtype, list(tensor.shape), source.read(tensor.start, tensor.stop)
            if random.random() < 0.4 and sides and random.random() < 0.7:
                sides[random.integers(len(sides))] = int(random.choice([1, 2, 3, 16, 33, 128]))
            elif random.random() < 0.2:
                dtype = str(random.choice(["U8", "I8", "F32", "BF16", "I32", "U32", "F8_E4M3", "I64"]))
            length = math.prod(sides) * item_size(dtype)
            stored[tensor.name] = (dtype, sides, (data * (length // max(len(data), 1) + 1))[:length])
    raw_safetensors(file, stored, header.metadata)
    config = (folder / "config.json").read_text()
    (folder / "config.json").write_text(re.sub(r"\b\d+\b", lambda _: str(random.integers(0, 200)), config))
