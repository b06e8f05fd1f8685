"""Tests of `ingest/formats/fused_tensors.py`: fused and separate tensors of one model are the same matrices."""

from __future__ import annotations

import json
from pathlib import Path

import ml_dtypes
import numpy as np
import pytest
from safetensors.numpy import save_file

from ingest.formats.open_model import open_model
from ingest.weights.fingerprints.fingerprint import compute_fingerprint
from tests.support.packing import RNG, values

EXPERTS, INNER, HIDDEN = 4, 48, 64
MIXTRAL, QWEN = "MixtralForCausalLM", "Qwen2MoeForCausalLM"
STORED = {
    MIXTRAL: "model.layers.0.block_sparse_moe.experts.{0}.w{1}.weight",
    QWEN: "model.layers.0.mlp.experts.{0}.{1}_proj.weight",
}
PARTS = {MIXTRAL: ("1", "3", "2"), QWEN: ("gate", "up", "down")}


def drawn(*sides: int) -> np.ndarray:
    return RNG.normal(size=sides).astype(np.float32)


def write(folder: Path, weights: dict[str, np.ndarray], architecture: str, model_type: str = "") -> Path:
    folder.mkdir()
    config = {"architectures": [architecture], "model_type": model_type}
    (folder / "config.json").write_text(json.dumps(config))
    save_file({name: np.ascontiguousarray(value) for name, value in weights.items()}, folder / "model.safetensors")
    return folder


def experts() -> tuple[np.ndarray, np.ndarray]:
    return drawn(EXPERTS, 2 * INNER, HIDDEN), drawn(EXPERTS, HIDDEN, INNER)


def one_by_one(architecture: str, into: np.ndarray, out: np.ndarray) -> dict[str, np.ndarray]:
    gate, up, down = PARTS[architecture]
    made = {}
    for place in range(EXPERTS):
        made[STORED[architecture].format(place, gate)] = into[place, :INNER]
        made[STORED[architecture].format(place, up)] = into[place, INNER:]
        made[STORED[architecture].format(place, down)] = out[place]
    return made


def fused(into: np.ndarray, out: np.ndarray) -> dict[str, np.ndarray]:
    return {"model.layers.0.mlp.experts.gate_up_proj": into, "model.layers.0.mlp.experts.down_proj": out}


@pytest.mark.parametrize("architecture", [MIXTRAL, QWEN])
@pytest.mark.parametrize("dtype", [np.float32, ml_dtypes.bfloat16])
def test_experts_fused_and_one_by_one_are_one_model(tmp_path: Path, architecture: str, dtype: type) -> None:
    into, out = (each.astype(dtype) for each in experts())
    apart = write(tmp_path / "apart", one_by_one(architecture, into, out), architecture)
    together = write(tmp_path / "together", fused(into, out), architecture)
    with open_model(apart) as one, open_model(together) as other:
        assert one.matrices.keys() == other.matrices.keys()
        assert "layers.0.mlp.experts.3.up_proj.weight" in one.matrices and len(one.matrices) == 3 * EXPERTS
        for name, matrix in one.matrices.items():
            np.testing.assert_array_equal(values(matrix), values(other.matrices[name]))
        first, second = compute_fingerprint(one, "a"), compute_fingerprint(other, "b")
    assert first.weights_hash == second.weights_hash and first.family_key == second.family_key
    np.testing.assert_array_equal(first.sample.values, second.sample.values)


def test_one_expert_is_read_without_the_others(tmp_path: Path) -> None:
    into, out = experts()
    with open_model(write(tmp_path / "m", fused(into, out), MIXTRAL)) as model:
        before = model.read_bytes
        got = model.matrices["layers.0.mlp.experts.2.up_proj.weight"].read(np.array([5, 6]))
        np.testing.assert_array_equal(got, into[2, INNER + 5 : INNER + 7])
        assert model.read_bytes - before == 2 * HIDDEN * 4


def test_experts_stored_in_by_out_stay_fused(tmp_path: Path) -> None:
    into, out = experts()
    turned = fused(into.swapaxes(1, 2), out.swapaxes(1, 2))
    with open_model(write(tmp_path / "m", turned, "Qwen3VLMoeForConditionalGeneration")) as model:
        assert set(model.matrices) == {"layers.0.mlp.experts.gate_up_proj", "layers.0.mlp.experts.down_proj"}


def test_experts_without_a_partner_stay_fused(tmp_path: Path) -> None:
    into, _ = experts()
    with open_model(write(tmp_path / "m", {"model.layers.0.mlp.experts.gate_up_proj": into}, MIXTRAL)) as model:
        assert set(model.matrices) == {"layers.0.mlp.experts.gate_up_proj"}


def test_projections_that_files_fuse_are_parts(tmp_path: Path) -> None:
    fused_weight, bias = drawn(2 * INNER, HIDDEN), drawn(2 * INNER)
    stored = {"encoder.layer.0.mlp.weights_in.weight": fused_weight, "encoder.layer.0.mlp.weights_in.bias": bias}
    with open_model(write(tmp_path / "m", stored, "Dinov2Model")) as model:
        at = "encoder.layer.0.mlp."
        np.testing.assert_array_equal(values(model.matrices[f"{at}up_proj.weight"]), fused_weight[INNER:])
        np.testing.assert_array_equal(values(model.matrices[f"{at}gate_proj.bias"])[0], bias[:INNER])
        assert len(model.matrices) == 4


def test_parts_that_are_not_equal_stay_one(tmp_path: Path) -> None:
    stored = {"encoder.layer.0.mlp.weights_in.weight": drawn(2 * INNER + 1, HIDDEN)}
    with open_model(write(tmp_path / "m", stored, "Dinov2Model")) as model:
        (matrix,) = model.matrices.values()
        assert matrix.rows == 2 * INNER + 1


def test_the_order_of_sides_of_conv1d_is_recorded(tmp_path: Path) -> None:
    stored = {
        "transformer.h.0.attn.c_attn.weight": drawn(HIDDEN, 3 * HIDDEN),
        "transformer.wte.weight": drawn(99, HIDDEN),
    }
    with open_model(write(tmp_path / "m", stored, "GPT2LMHeadModel", "gpt2")) as model:
        attention = model.matrices["h.0.attn.c_attn.weight"]
        assert attention.transposed and attention.outputs_and_inputs == (3 * HIDDEN, HIDDEN)
        assert model.matrices["wte.weight"].outputs_and_inputs == (99, HIDDEN)
