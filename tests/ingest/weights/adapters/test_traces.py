"""Tests of `ingest/weights/adapters/traces.py`: updates equal what peft adds to the base's matrix."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from ingest.weights.adapters.traces import CopyRole, Update
from ingest.weights.parameters.adapter_parameters import ADAPTER
from tests.support.adapters import numbers, traces_of, write_adapter

AT = "layers.0.self_attn.q_proj"


def delta(update: Update) -> np.ndarray:
    return update.left @ update.right.T


def only(folder: Path, tensors: dict[str, np.ndarray], **config: object) -> Update:
    found = traces_of(write_adapter(folder, tensors, **config))
    (update,) = found.updates
    return update


def test_low_rank_updates(tmp_path: Path) -> None:
    down, up = numbers(4, 48), numbers(64, 4, seed=4)
    made = only(tmp_path / "lora", {f"{AT}.lora_A.weight": down, f"{AT}.lora_B.weight": up})
    assert made.module == AT and made.shape == (
        64,
        48,
    )
    np.testing.assert_allclose(delta(made), up @ down, rtol=1e-5)
    sizes = numbers(4, 1, seed=5)
    made = only(tmp_path / "ada", {f"{AT}.lora_A": down, f"{AT}.lora_B": up, f"{AT}.lora_E": sizes})
    np.testing.assert_allclose(delta(made), up @ (sizes * down), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("whole", [True, False])
def test_products_of_other_kinds(tmp_path: Path, whole: bool) -> None:
    parts = {f"hada_{name}": numbers(*sides, seed=place) for place, (name, sides) in enumerate(
        {"w1_a": (40, 3), "w1_b": (3, 24), "w2_a": (40, 3), "w2_b": (3, 24)}.items())}  # fmt: skip
    made = only(tmp_path / "loha", {f"{AT}.{name}": value for name, value in parts.items()})
    first, second = parts["hada_w1_a"] @ parts["hada_w1_b"], parts["hada_w2_a"] @ parts["hada_w2_b"]
    assert made.shape == (40, 24)
    np.testing.assert_allclose(delta(made), first * second, atol=1e-4)
    outer, low, high = numbers(8, 4), numbers(5, 2, seed=4), numbers(2, 6, seed=5)
    inner = {"lokr_w2": low @ high} if whole else {"lokr_w2_a": low, "lokr_w2_b": high}
    made = only(tmp_path / "lokr", {f"{AT}.lokr_w1": outer} | {f"{AT}.{name}": value for name, value in inner.items()})
    assert made.shape == (40, 24)
    np.testing.assert_allclose(delta(made), np.kron(outer, low @ high), atol=1e-4)


def test_rotations_hold_directions_of_inputs_alone(tmp_path: Path) -> None:
    made = only(tmp_path / "oft", {f"{AT}.oft_R.weight": numbers(4, 8 * 7 // 2)})
    assert made.left.shape == (0, 0) and made.shape == (0, 32)
    np.testing.assert_array_equal(made.right, -made.right.T)
    assert not made.right[:8, 8:].any() and made.right[:8, :8].any()


def test_experts_lie_in_one_pair_of_factors(tmp_path: Path) -> None:
    rank, experts = 2, 3
    down, up = numbers(rank * experts, 16), numbers(24, rank * experts, seed=4)
    at = "layers.0.mlp.experts"
    found = traces_of(
        write_adapter(
            tmp_path / "moe", {f"{at}.base_layer.lora_A.weight": down, f"{at}.base_layer.lora_B.weight": up}, r=rank
        )
    )
    for expert, update in enumerate(found.updates):
        assert (update.module, update.expert, update.shape) == (at, expert, (24, 16))
        expected = up.reshape(24, rank, experts)[:, :, expert] @ down.reshape(experts, rank, 16)[expert]
        np.testing.assert_allclose(delta(update), expected, rtol=1e-4, atol=1e-5)
    assert len(found.updates) == experts


def test_copies_of_the_base_s_values(tmp_path: Path) -> None:
    table = numbers(200, 32)
    found = traces_of(
        write_adapter(
            tmp_path / "all",
            {
                "embed_tokens.base_layer.weight": table, "lm_head.weight": table, "norm.ln_tuning_layers.weight": table[0],
                f"{AT}.bias": table[1], f"{AT}.lora_magnitude_vector": table[2],
                "wte.token_adapter.trainable_tokens_delta": table[:3],
            },
            trainable_token_indices={"wte": [5, 17, 90]},
        )
    )  # fmt: skip
    roles = {copy.module: copy for copy in found.copies}
    assert roles["embed_tokens"].role == CopyRole.BASE and len(roles["embed_tokens"].rows) == ADAPTER.max_block
    np.testing.assert_array_equal(roles["embed_tokens"].values, table[list(roles["embed_tokens"].rows)])
    assert roles["norm"].role == roles["lm_head"].role == CopyRole.TRAINED
    assert roles["wte"].role == CopyRole.ROWS and roles["wte"].rows == (5, 17, 90)
    assert {copy.role for copy in found.copies if copy.module == AT} == {CopyRole.BIAS, CopyRole.MAGNITUDE}


@pytest.mark.parametrize(
    "tensors",
    [
        {f"{AT}.ia3_l": np.ones((32, 1))}, {f"{AT}.vera_lambda_b": np.ones(32), f"{AT}.vera_lambda_d": np.ones(4)},
        {f"{AT}.boft_R": np.zeros((1, 4, 8, 8)), f"{AT}.boft_s": np.ones((32, 1))},
        {f"{AT}.lora_A.weight": numbers(4, 32), f"{AT}.lora_B.weight": np.zeros((32, 4))},
        {f"{AT}.lora_A.weight": numbers(4, 32), f"{AT}.lora_B.weight": np.full((32, 4), np.nan)},
        {f"{AT}.lora_A.weight": numbers(4, 32), f"{AT}.lora_B.weight": numbers(32, 5)},
        {f"{AT}.lora_A.weight": numbers(4, 32)}, {f"{AT}.oft_R.weight": numbers(4, 29)},
        {f"{AT}.lokr_w1": numbers(2, 2)}, {f"{AT}.hada_w1_a": numbers(4, 2)}, {"prompt_embeddings": numbers(8, 32)},
        {"embed_tokens.trainable_tokens_delta": numbers(4, 32)},
    ],
)  # fmt: skip
def test_what_holds_no_trace(tmp_path: Path, tensors: dict[str, np.ndarray]) -> None:
    found = traces_of(write_adapter(tmp_path / "a", tensors))
    assert not found.updates and not found.copies
