"""Tests of `ingest/formats/quantized/transposed/gptq_awq.py`."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from atlas_db.core.errors import WeightsError
from ingest.formats.open_model import open_model
from ingest.weights.chart import chart
from ingest.weights.samples.resample import Resampler
from tests.support.families import print_of, root, trained, write
from tests.support.packing import RNG, packed, values


@pytest.mark.parametrize(("whole", "element"), [(2**22, 4096), (0, 4096), (0, 0)], ids=["whole", "blocks", "words"])
@pytest.mark.parametrize("kind", ["gptq", "gptq_v2", "awq"])
def test_integers_packed_across_rows(
    tmp_path: Path, kind: str, whole: int, element: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ingest.formats.byte_source.MAX_WHOLE_READ_BYTES", whole)
    monkeypatch.setattr("ingest.formats.byte_source.BYTES_AN_ELEMENT", element)
    monkeypatch.setattr("ingest.formats.byte_source.BLOCK_BYTES", 600)
    value = RNG.normal(size=(48, 128)).astype(np.float32)
    order = RNG.permutation(128) if kind == "gptq_v2" else None
    parts = packed(value, kind, 32, order)
    expected = parts.pop("expected")
    (tmp_path / "m").mkdir()
    save_file({name: np.ascontiguousarray(part) for name, part in parts.items()}, tmp_path / "m" / "model.safetensors")
    with open_model(tmp_path / "m") as model:
        assert list(model.matrices) == ["m.weight"]
        matrix = model.matrices["m.weight"]
        assert (matrix.rows, matrix.columns, matrix.dtype) == (48, 128, "AWQ4" if kind == "awq" else "GPTQ4")
        np.testing.assert_allclose(values(matrix), expected, atol=1e-6)
        np.testing.assert_allclose(matrix.read(np.array([40, 3, 9])), expected[[40, 3, 9]], atol=1e-6)
        assert not model.problems


def test_packed_parts_that_do_not_fit_are_named(tmp_path: Path) -> None:
    parts = packed(RNG.normal(size=(48, 128)).astype(np.float32), "gptq", 32)
    parts.pop("expected")
    for number, change in enumerate(({"m.qzeros": parts["m.qzeros"][:, :-1]}, {"m.scales": parts["m.scales"][:1]})):
        (tmp_path / str(number)).mkdir()
        broken = {**parts, **change, "n.weight": np.ones((4, 64), np.float32)}
        save_file(
            {name: np.ascontiguousarray(part) for name, part in broken.items()},
            tmp_path / str(number) / "model.safetensors",
        )
        with open_model(tmp_path / str(number)) as model:
            assert list(model.matrices) == ["n.weight"]
            assert any("m.qweight" in problem for problem in model.problems)
    (tmp_path / "g").mkdir()
    save_file(
        {**{n: np.ascontiguousarray(p) for n, p in parts.items()}, "m.g_idx": np.full(128, 9, np.int32)},
        tmp_path / "g" / "model.safetensors",
    )
    with open_model(tmp_path / "g") as model, pytest.raises(WeightsError, match="have no scale"):
        values(model.matrices["m.weight"])


def test_integers_packed_in_an_unknown_way_are_left_out_and_named(tmp_path: Path) -> None:
    tmp_path.joinpath("m").mkdir()
    parts = {"a.qweight": np.ones((8, 64), np.int32), "b.weight": np.ones((8, 64), np.float32), "e": np.ones((0, 4))}
    save_file(parts, tmp_path / "m" / "model.safetensors")
    with open_model(tmp_path / "m") as model:
        assert set(model.matrices) == {"b.weight"}
        assert any("a.qweight" in text for text in model.problems)
        assert any("empty tensor" in text for text in model.problems)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["gptq", "awq"])
def test_a_model_packed_across_rows_finds_its_original(tmp_path: Path, kind: str) -> None:
    base = root(1)
    tuned = trained(base, 2)
    for name, weights in (("base", base), ("tuned", tuned), ("other", trained(base, 3)), ("stranger", root(7))):
        write(tmp_path / name, weights)
    parts: dict[str, np.ndarray] = {}
    for name, value in tuned.items():
        if "_proj" not in name:
            parts[name] = value.astype(np.float16)
            continue
        for part, stored in packed(value, kind, 32).items():
            if part != "expected":
                parts[name.removesuffix("weight") + part.removeprefix("m.")] = np.ascontiguousarray(stored)
    (tmp_path / "packed").mkdir()
    save_file(parts, tmp_path / "packed" / "model.safetensors")
    prints = [print_of(path) for path in sorted(tmp_path.iterdir())]
    edges = {(edge.child, edge.parent): edge.relation.value for edge in chart(prints, Resampler(), time=False)}
    assert edges["packed", "tuned"] == "quantized"
    assert {frozenset(pair) for pair in edges} == {
        frozenset(pair) for pair in (("packed", "tuned"), ("tuned", "base"), ("other", "base"))
    }
