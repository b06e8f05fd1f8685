"""Tests of `ingest/weights/adapters/base_matrices.py`."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from safetensors.numpy import save_file

from ingest.formats.open_model import open_model
from ingest.weights.adapters.base_matrices import BaseMatrices
from ingest.weights.adapters.traces import Copy, CopyRole, Update
from tests.support.adapters import numbers
from tests.support.families import HEADS, HIDDEN, INNER, root, write

AT = "layers.0.self_attn"


def test_modules_by_path_and_shape(tmp_path: Path) -> None:
    weights = root(1)
    with open_model(write(tmp_path / "m", weights)) as model:
        base = BaseMatrices(model)
        value = base.read(Update.of_shape(f"base_model.model.model.{AT}.v_proj", (HIDDEN, HIDDEN)))
        np.testing.assert_array_equal(value, weights[f"model.{AT}.v_proj.weight"])
        assert base.fits(Update.of_shape("layers.0.mlp.up_proj", (INNER, 0)))
        assert not base.fits(Update.of_shape("layers.0.mlp.up_proj", (INNER, INNER)))
        assert base.view(Update.of_shape("layers.7.mlp.up_proj", (INNER, HIDDEN))) is None


def test_partners_are_what_gradients_pass(tmp_path: Path) -> None:
    weights = root(1)
    with open_model(write(tmp_path / "m", weights)) as model:
        base = BaseMatrices(model)
        for module, other, shape in (
            ("self_attn.v_proj", "self_attn.o_proj", (HIDDEN, HIDDEN)),
            ("mlp.up_proj", "mlp.down_proj", (INNER, HIDDEN)),
        ):
            view = base.view(Update.of_shape(f"layers.1.{module}", shape))
            assert view is not None and view.partner is not None
            matrix = weights[f"model.layers.1.{other}.weight"]
            gram = matrix.T @ matrix
            values, vectors = view.partner
            np.testing.assert_allclose(view.reached, gram / np.trace(gram), atol=1e-6)
            np.testing.assert_allclose((vectors * values) @ vectors.T * np.trace(gram) / len(gram), gram, atol=1e-4)
        view = base.view(Update.of_shape("layers.1.self_attn.q_proj", (HIDDEN, HIDDEN)))
        assert view is not None and view.partner is not None
        key, side = weights["model.layers.1.self_attn.k_proj.weight"], HIDDEN // HEADS
        blocks = [key[at : at + side] @ key[at : at + side].T for at in range(0, HIDDEN, side)]
        made = (view.partner[1] * view.partner[0]) @ view.partner[1].T
        for head, block in enumerate(blocks):
            part = made[head * side : (head + 1) * side, head * side : (head + 1) * side]
            np.testing.assert_allclose(part / np.trace(made), block / sum(map(np.trace, blocks)), atol=1e-5)
        down = base.view(Update.of_shape("layers.1.mlp.down_proj", (HIDDEN, INNER)))
        assert down is not None and down.partner is None


def test_values_that_several_heads_read(tmp_path: Path) -> None:
    weights = root(1)
    for layer in range(2):
        for name in "kv":
            weights[f"model.layers.{layer}.self_attn.{name}_proj.weight"] = numbers(HIDDEN // 2, HIDDEN)
    with open_model(write(tmp_path / "m", weights)) as model:
        view = BaseMatrices(model).view(Update.of_shape(f"{AT}.v_proj", (HIDDEN // 2, HIDDEN)))
    assert view is not None and view.partner is not None
    side, read = HIDDEN // HEADS, weights[f"model.{AT}.o_proj.weight"]
    columns = [[head * side + at for head in (2 * group, 2 * group + 1) for at in range(side)] for group in range(2)]
    first = sum(read[:, part].T @ read[:, part] for part in (columns[0][:side], columns[0][side:]))
    made = (view.partner[1] * view.partner[0]) @ view.partner[1].T
    np.testing.assert_allclose(made[:side, :side] / np.trace(made[:side, :side]), first / np.trace(first), atol=1e-5)


def test_matrices_stored_in_times_out(tmp_path: Path) -> None:
    stored = numbers(48, 144)
    (tmp_path / "m").mkdir()
    save_file(
        {"h.0.attn.c_attn.weight": stored, "h.0.attn.c_proj.weight": stored[:, :48].copy()},
        tmp_path / "m" / "model.safetensors",
    )
    with open_model(tmp_path / "m") as model:
        made = BaseMatrices(model).read(Update.of_shape("h.0.attn.c_attn", (144, 48)))
    np.testing.assert_array_equal(made, stored.T[:128])


def test_experts_one_by_one(tmp_path: Path) -> None:
    made = {f"model.layers.0.mlp.experts.{expert}.{name}.weight": numbers(*sides, seed=10 * expert + place)
            for expert in range(3) for place, (name, sides) in enumerate(
                {"gate_proj": (24, 32), "up_proj": (24, 32), "down_proj": (32, 24)}.items())}  # fmt: skip
    with open_model(write(tmp_path / "m", made)) as model:
        base = BaseMatrices(model)
        stacked = base.read(Update("layers.0.mlp.experts", numbers(0, 0), numbers(0, 0), (48, 32), 1))
        at = "model.layers.0.mlp.experts.1"
        np.testing.assert_array_equal(
            stacked, np.concatenate([made[f"{at}.gate_proj.weight"], made[f"{at}.up_proj.weight"]])
        )
        down = base.read(Update("layers.0.mlp.experts", numbers(0, 0), numbers(0, 0), (32, 24), 2))
        np.testing.assert_array_equal(down, made["model.layers.0.mlp.experts.2.down_proj.weight"])
        assert base.read(Update("layers.0.mlp.experts", numbers(0, 0), numbers(0, 0), (32, 24), 3)) is None


def test_originals_of_copies(tmp_path: Path) -> None:
    weights = root(1)
    with open_model(write(tmp_path / "m", weights)) as model:
        base = BaseMatrices(model)
        table, rows = weights["model.embed_tokens.weight"], (3, 8, 200)
        some = Copy("embed_tokens", CopyRole.ROWS, numbers(3, HIDDEN), rows, 3, "F32")
        np.testing.assert_array_equal(base.read_copy(some), table[list(rows)])
        whole = Copy("embed_tokens", CopyRole.BASE, numbers(3, HIDDEN), rows, len(table), "F32")
        assert base.has_copy(whole) and not base.has_copy(whole._replace(rows_of_all=len(table) + 1))
        assert base.read_copy(some._replace(rows=(3, 8, 2000))) is None
        norms = Copy(f"{AT}.v_proj", CopyRole.MAGNITUDE, numbers(HIDDEN, 1), (), HIDDEN, "F32")
        np.testing.assert_allclose(
            base.read_copy(norms)[:, 0], np.linalg.norm(weights[f"model.{AT}.v_proj.weight"], axis=1), rtol=1e-5
        )
