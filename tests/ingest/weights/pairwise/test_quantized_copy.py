"""Quantized copies against their original, its fine-tunes, and strangers: files of llama.cpp's own package, by type."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from gguf import GGMLQuantizationType, GGUFWriter, quants

from atlas_db.core.terms import Relation
from atlas_db.fusion.evidence import QuantizedEvidence
from ingest.formats.open_model import open_model
from ingest.weights.chart import chart
from ingest.weights.fingerprints.fingerprint import Sample, take_sample
from ingest.weights.pairwise import quantized_copy
from ingest.weights.pairwise.quantized_copy import JOINT_LEVELS, NEAREST_LEVELS, decide_quantized, measure_levels
from ingest.weights.parameters.quantized_parameters import QUANTIZED
from ingest.weights.samples.resample import Resampler
from tests.support.families import Weights, print_of, trained, write

TYPES = ("Q4_0", "Q4_1", "Q5_0", "Q5_1", "Q8_0", "TQ1_0", "TQ2_0")
"""Types that llama.cpp's package for Python writes."""


@pytest.fixture(scope="module")
def original() -> Weights:
    rng = np.random.default_rng(5)
    sides = {"self_attn.v_proj": (256, 256), "mlp.up_proj": (512, 256), "mlp.down_proj": (256, 512)}
    return {
        f"model.layers.{layer}.{name}.weight": (rng.normal(size=side) * 0.02).astype(np.float32)
        for layer in range(2)
        for name, side in sides.items()
    }


def sample(folder: Path) -> tuple[Sample, str]:
    with open_model(folder) as model:
        return take_sample(model, 4096), model.dtype


def gguf(folder: Path, weights: Weights, kind: str) -> Path:
    """Write a GGUF file as llama.cpp's package does."""
    folder.mkdir(parents=True)
    writer = GGUFWriter(folder / "model.gguf", "llama")
    names = {"self_attn.v_proj": "attn_v", "mlp.up_proj": "ffn_up", "mlp.down_proj": "ffn_down"}
    for name, value in weights.items():
        _, _, layer, *module, _ = name.split(".")
        to = GGMLQuantizationType[kind]
        writer.add_tensor(f"blk.{layer}.{names['.'.join(module)]}.weight", quants.quantize(value, to), raw_dtype=to)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return folder


@pytest.mark.parametrize("kind", TYPES)
def test_a_copy_is_verified_against_its_original_alone(kind: str, original: Weights, tmp_path: Path) -> None:
    copy, dtype = sample(gguf(tmp_path / "copy", original, kind))
    assert dtype == kind

    def decided(name: str, weights: Weights) -> str:
        found = decide_quantized(measure_levels(copy, sample(write(tmp_path / name, weights, "BF16"))[0], dtype))
        assert found.reasons
        return found.verification.value

    assert decided("same", original) == "verified"
    assert decided("tuned", trained(original, 1, 0.2)) == "not_verified"
    assert decided("stranger", trained(original, 2, 50.0)) == "not_verified"


@pytest.mark.slow
@pytest.mark.parametrize("kind", TYPES)
def test_a_chart_names_the_original_of_a_copy_in_any_type(kind: str, original: Weights, tmp_path: Path) -> None:
    """Beside a fine-tune and its own copy: no copy is the other's."""
    tuned = trained(original, 1, 0.2)
    known = [
        print_of(write(tmp_path / name, weights), name, f"2024-01-0{day}")
        for day, (name, weights) in enumerate((("original", original), ("tuned", tuned)), 1)
    ]
    known += [
        print_of(gguf(tmp_path / f"{name}-copy", weights, kind), f"{name}-copy", "2024-01-05")
        for name, weights in (("original", original), ("tuned", tuned))
    ]
    edges = {edge.child: edge for edge in chart(known, Resampler()) if edge.child.endswith("-copy")}
    assert {child: edge.parent for child, edge in edges.items()} == {
        "original-copy": "original", "tuned-copy": "tuned",
    }  # fmt: skip
    for edge in edges.values():
        assert edge.relation is Relation.QUANTIZED and edge.confidence > 0.9
        assert isinstance(edge.evidence, QuantizedEvidence) and edge.evidence.explained > 0.99


@pytest.mark.slow
@pytest.mark.parametrize("kind", TYPES)
def test_the_least_change_that_would_be_noticed_is_noticed(kind: str, original: Weights, tmp_path: Path) -> None:
    copy, dtype = sample(gguf(tmp_path / "copy", original, kind))
    whole = decide_quantized(measure_levels(copy, sample(write(tmp_path / "same", original))[0], dtype))
    moved = trained(original, 3, 3 * whole.least_change)
    decided = decide_quantized(measure_levels(copy, sample(write(tmp_path / "moved", moved))[0], dtype))
    assert decided.verification.value == "not_verified", (whole.least_change, decided.test.crossed_share)


def test_what_is_not_quantized_or_not_shared_is_not_comparable(original: Weights, tmp_path: Path) -> None:
    whole, dtype = sample(write(tmp_path / "whole", original, "F16"))
    assert decide_quantized(measure_levels(whole, whole, dtype)).verification.value == "not_comparable"
    copy, dtype = sample(gguf(tmp_path / "copy", original, "Q4_0"))
    other = sample(write(tmp_path / "other", {"x.layers.0.y.weight": np.ones((64, 64), np.float32)}))[0]
    assert decide_quantized(measure_levels(copy, other, dtype)).verification.value == "not_comparable"


def test_no_type_is_of_both_kinds() -> None:
    assert not JOINT_LEVELS & NEAREST_LEVELS


def bfloat16(values: np.ndarray) -> np.ndarray:
    """Round to bfloat16, to even."""
    raw = values.astype(np.float32).view(np.uint32)
    return ((raw + 0x7FFF + (raw >> 16 & 1)) & 0xFFFF0000).view(np.float32)


def affine_by_mlx(values: np.ndarray, bits: int) -> np.ndarray:
    """Quantize groups as `mlx.core.quantize` does, and return what its codes, rounded scales and biases stand for."""
    low, high = values.min(1, keepdims=True), values.max(1, keepdims=True)
    from_low = np.abs(low) > np.abs(high)
    scale = np.maximum((high - low) / (2**bits - 1), 1e-7) * np.where(from_low, 1, -1)
    edge = np.where(from_low, low, high)
    first = np.rint(edge / scale)
    scale, bias = np.where(first != 0, edge / np.where(first == 0, 1, first), scale), np.where(first == 0, 0, edge)
    codes = np.clip(np.rint((values - bias) / scale), 0, 2**bits - 1)
    return (codes * bfloat16(scale) + bfloat16(bias)).astype(np.float32)


@pytest.mark.parametrize("group", [32, 64, 128])
@pytest.mark.parametrize("bits", [2, 3, 4, 5, 6, 8])
def test_rounded_scales_and_biases_of_mlx_cross_no_level(bits: int, group: int) -> None:
    rng = np.random.default_rng(bits)
    values = (rng.normal(size=(1024, group)) * 0.02).astype(np.float32)
    related = (values + rng.normal(size=values.shape) * 0.004).astype(np.float32)
    copy = affine_by_mlx(values, bits).reshape(-1, 32)
    tested, crossed, *_ = quantized_copy._count(values.reshape(-1, 32), copy, f"MLX{bits}")
    assert tested > 10_000 and crossed <= QUANTIZED.max_crossed * tested
    tested, crossed, *_ = quantized_copy._count(related.reshape(-1, 32), copy, f"MLX{bits}")
    assert crossed > 2 * QUANTIZED.max_crossed * tested
