"""Tests of `ingest/formats/open_model.py`."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from atlas_db.core.errors import WeightsError
from ingest.formats.matrix import matrix_shape
from ingest.formats.open_model import open_model
from tests.support.families import HEADS, root, write
from tests.support.gguf_files import write_gguf
from tests.support.packing import values


def test_shards_and_one_file_hold_the_same_matrices(tmp_path: Path) -> None:
    weights = root(1)
    write(tmp_path / "one", weights)
    write(tmp_path / "three", weights, shards=3)
    with open_model(tmp_path / "one") as one, open_model(tmp_path / "three") as three:
        assert one.matrices.keys() == three.matrices.keys()
        for name, matrix in one.matrices.items():
            np.testing.assert_array_equal(values(matrix), values(three.matrices[name]))
        assert one.heads == HEADS


def test_a_folder_without_readable_weights_is_named(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match="no weights"):
        open_model(tmp_path)
    (tmp_path / "pytorch_model.bin").write_bytes(b"never opened")
    with pytest.raises(WeightsError, match="only pickles"):
        open_model(tmp_path)


@pytest.mark.parametrize(
    ("shape", "expected"),
    [((5, 7), (5, 7)), ((9,), (1, 9)), ((8, 4, 3, 3), (8, 36)), ((6, 100, 64), (600, 64)), ((), (1, 1))],
)
def test_sides(shape: tuple[int, ...], expected: tuple[int, int]) -> None:
    assert matrix_shape(shape) == expected


@pytest.mark.parametrize("kind", ["BF16", "Q8_0"])
def test_matrices_that_the_converter_transposes_are_read_as_transformers_has_them(tmp_path: Path, kind: str) -> None:
    """GPT-2 has a row an input; llama.cpp a row an output, and its blocks lie along the inputs."""
    sides = {"attn.c_attn": (64, 192), "attn.c_proj": (64, 64), "mlp.c_fc": (64, 320), "mlp.c_proj": (320, 64)}
    names = {"attn.c_attn": "attn_qkv", "attn.c_proj": "attn_output", "mlp.c_fc": "ffn_up", "mlp.c_proj": "ffn_down"}
    rng = np.random.default_rng(5)
    own = {f"h.0.{name}": rng.normal(size=shape).astype(np.float32) for name, shape in sides.items()}
    (tmp_path / "hub").mkdir()
    (tmp_path / "hub" / "config.json").write_text('{"model_type": "gpt2"}')
    save_file(
        {f"transformer.{name}.weight": value for name, value in own.items()}, tmp_path / "hub" / "model.safetensors"
    )
    stored = {f"blk.0.{names[name[4:]]}.weight": np.ascontiguousarray(value.T) for name, value in own.items()}
    write_gguf(tmp_path / "m.gguf", stored, kind, "gpt2")
    with open_model(tmp_path / "hub") as one, open_model(tmp_path / "m.gguf") as other:
        assert one.matrices.keys() == other.matrices.keys() == {f"{name}.weight" for name in own}
        for name, matrix in one.matrices.items():
            found = other.matrices[name]
            assert (found.rows, found.columns, found.transposed) == (matrix.rows, matrix.columns, True)
            rows = np.array([3, 1, matrix.rows - 1])
            np.testing.assert_allclose(found.read(rows), matrix.read(rows), atol=0.03)
    with open_model(tmp_path / "m.gguf") as other:
        assert other.heads == HEADS


@pytest.mark.parametrize("kind", ["safetensors", "gguf"])
@pytest.mark.parametrize(("name", "limit"), [("MAX_ROWS", 3), ("MAX_COLUMNS", 63)])
def test_a_matrix_of_any_stated_size_is_not_held(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str, name: str, limit: int
) -> None:
    tensors = {"output.weight": np.ones((4, 64), np.float32), "output_norm.weight": np.ones(32, np.float32)}
    if kind == "gguf":
        write_gguf(tmp_path / "m.gguf", tensors, "F32")
    else:
        save_file(tensors, tmp_path / "model.safetensors")
    with open_model(tmp_path) as model:
        assert len(model.matrices) == 2
        (large,) = (matrix for matrix in model.matrices.values() if not matrix.vector)
        assert large.read(np.arange(4)).shape == (4, 64)
    monkeypatch.setattr(f"ingest.formats.open_model.{name}", limit)
    with open_model(tmp_path) as model:
        assert [matrix.vector for matrix in model.matrices.values()] == [True]
        assert "4 rows of 64 elements (at most" in model.problems[-1]


def test_a_model_of_nothing_but_too_large_matrices_is_named_with_the_numbers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    save_file({"a": np.ones((2, 32), np.float32)}, tmp_path / "model.safetensors")
    monkeypatch.setattr("ingest.formats.open_model.MAX_ROWS", 1)
    with pytest.raises(WeightsError, match="holds no tensor that can be read .*2 rows of 32 elements"):
        open_model(tmp_path)


def test_what_is_read_at_once_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    save_file({"a": np.ones((4, 32), np.float32)}, tmp_path / "model.safetensors")
    monkeypatch.setattr("ingest.formats.open_model.MAX_READ_ELEMENTS", 64)
    with open_model(tmp_path) as model:
        assert model.matrices["a"].read(np.arange(2)).shape == (2, 32)
        with pytest.raises(WeightsError, match="3 rows of 32 elements of a read at once, more than 64"):
            model.matrices["a"].read(np.arange(3))
