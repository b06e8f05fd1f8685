"""Tests of `ingest/formats/fused_tensors.py`: fused and separate tensors of one model are the same matrices."""

from __future__ import annotations

import json
from pathlib import Path

import ml_dtypes
import numpy as np
import pytest
from safetensors.numpy import save_file

from ingest.formats.byte_source import LocalFile
from ingest.formats.open_model import OpenModel, add_safetensors, open_model
from ingest.weights.fingerprints.fingerprint import compute_fingerprint
from tests.support.gguf_files import write_gguf
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


def test_sides_of_a_header_make_no_matrix_each_without_bound(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ingest.formats.fused_tensors.MAX_EXPERTS", EXPERTS - 1)
    for name, stored in (("m", fused(*experts())), ("oss", gpt_oss(*experts()))):
        with open_model(write(tmp_path / name, stored, MIXTRAL)) as model:
            assert {f"{AT}gate_up_proj", f"{AT}down_proj"} <= model.matrices.keys()


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


GPT_OSS = "GptOssForCausalLM"
AT = "layers.0.mlp.experts."


def gpt_oss(into: np.ndarray, out: np.ndarray) -> dict[str, np.ndarray]:
    """Return the experts of gpt-oss as transformers has them; outputs of the two projections take turns."""
    alternating = np.stack((into[:, :INNER], into[:, INNER:]), 2).reshape(into.shape)
    biases = {"gate_up_proj_bias": drawn(EXPERTS, 2 * INNER), "down_proj_bias": drawn(EXPERTS, HIDDEN)}
    stored = {"gate_up_proj": alternating.swapaxes(1, 2), "down_proj": out.swapaxes(1, 2), **biases}
    return {f"model.{AT}{name}": value for name, value in stored.items()}


def coded(sides: tuple[int, ...]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return values, blocks and scales of MXFP4: two codes a byte, the first in the low half."""
    codes = RNG.integers(0, 16, sides)
    exponents = RNG.integers(120, 126, (*sides[:-1], sides[-1] // 32)).astype(np.uint8)
    floats = codes.astype(np.uint8).view(ml_dtypes.uint4).view(ml_dtypes.float4_e2m1fn).astype(np.float32)
    scaled = floats * np.repeat(2.0 ** (exponents.astype(np.float32) - 127), 32, -1)
    blocks = (codes[..., 0::2] | codes[..., 1::2] << 4).astype(np.uint8).reshape(*exponents.shape, 16)
    return scaled.astype(np.float32), blocks, exponents


def test_experts_of_gpt_oss_are_one_matrix_each(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("MAX_WHOLE_READ_BYTES", "BYTES_AN_ELEMENT"):
        monkeypatch.setattr(f"ingest.formats.byte_source.{name}", 0)
    into, out = (each.astype(ml_dtypes.bfloat16) for each in experts())
    stored = gpt_oss(into, out)
    with open_model(write(tmp_path / "m", stored, GPT_OSS)) as model:
        assert len(model.matrices) == 3 * EXPERTS + 3
        for name, expected in (
            ("2.gate_proj.weight", into[2, :INNER]), ("2.up_proj.weight", into[2, INNER:]),
            ("3.down_proj.weight", out[3]), ("up_proj.bias", stored[f"model.{AT}gate_up_proj_bias"][:, 1::2]),
            ("down_proj.bias", stored[f"model.{AT}down_proj_bias"]),
        ):  # fmt: skip
            np.testing.assert_array_equal(values(model.matrices[AT + name]), expected.astype(np.float32))
        before = model.read_bytes
        model.matrices[f"{AT}1.up_proj.weight"].read(np.array([7]))
        assert model.read_bytes - before == HIDDEN * 2


def test_floats_mxfp4_and_gguf_of_gpt_oss_are_one_model(tmp_path: Path) -> None:
    width = 96
    codes = {"gate_up_proj": coded((EXPERTS, 2 * width, HIDDEN)), "down_proj": coded((EXPERTS, HIDDEN, width))}
    (into, *_), (out, *_) = codes.values()
    biases = {"gate_up_proj_bias": drawn(EXPERTS, 2 * width), "down_proj_bias": drawn(EXPERTS, HIDDEN)}
    floats = {"gate_up_proj": into.swapaxes(1, 2), "down_proj": out.swapaxes(1, 2), **biases}
    packed = biases | {f"{name}_blocks": blocks for name, (_, blocks, _) in codes.items()}
    packed |= {f"{name}_scales": scales for name, (_, _, scales) in codes.items()}
    apart = {
        "ffn_gate_exps.weight": into[:, 0::2], "ffn_up_exps.weight": into[:, 1::2], "ffn_down_exps.weight": out,
        "ffn_gate_exps.bias": biases["gate_up_proj_bias"][:, 0::2], "ffn_down_exps.bias": biases["down_proj_bias"],
        "ffn_up_exps.bias": biases["gate_up_proj_bias"][:, 1::2],
    }  # fmt: skip
    folders = [
        write(tmp_path / name, {f"model.{AT}{key}": value for key, value in stored.items()}, GPT_OSS)
        for name, stored in (("floats", floats), ("packed", packed))
    ]
    gguf = {f"blk.0.{name}": np.ascontiguousarray(value) for name, value in apart.items()}
    folders.append(write_gguf(tmp_path / "m.gguf", gguf, "F32", "gpt-oss"))
    read = []
    for folder in folders:
        with open_model(folder) as model:
            assert not model.problems
            read.append({name: values(matrix) for name, matrix in model.matrices.items()})
    assert read[0].keys() == read[1].keys() == read[2].keys()
    for name, expected in read[0].items():
        np.testing.assert_array_equal(read[1][name], expected)
        np.testing.assert_array_equal(read[2][name], expected)


class Ranges:
    """A file that is read by ranges: a request a read."""

    def __init__(self, file: LocalFile) -> None:
        self.name, self.size, self.bytes_read, self.read = "hub:acme/m", file.size, 0, file.read


def test_experts_of_gpt_oss_stay_fused_where_a_column_takes_a_request_a_row(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ingest.formats.byte_source.MAX_WHOLE_READ_BYTES", 0)
    file = write(tmp_path / "m", gpt_oss(*experts()), GPT_OSS) / "model.safetensors"
    with LocalFile(file) as source:
        model = OpenModel("hub:acme/m")
        add_safetensors(model, [Ranges(source)])
    assert {f"{AT}gate_up_proj", f"{AT}down_proj", f"{AT}gate_proj.bias"} < model.matrices.keys()
