"""Tests of `ingest/formats/tensor_names.py`."""

from __future__ import annotations

import pytest

from ingest.formats.declared_names import MAX_NAME_LENGTH
from ingest.formats.tensor_names import (
    canonical_name,
    canonical_names,
    is_vocabulary,
    part_index,
    without_layer,
)
from tests.support.parts import HEAD, INTO_HEADS, INTO_MLP, OUT_OF_HEADS, OUT_OF_MLP, WORDS


def test_wrappers_and_numbers_are_taken_away() -> None:
    assert without_layer("layers.12.mlp.up_proj.weight") == "layers.*.mlp.up_proj.weight"
    assert canonical_name("base_model.model.model.layers.0.x") == "layers.0.x"
    assert (
        canonical_name("module._orig_mod.model.layers.0.x")
        == canonical_name("model._orig_mod.layers.0.x")
        == "layers.0.x"
    )


@pytest.mark.parametrize("prefix", ["esm", "siglip", "clip", "swinv2", "layoutlmv3", "hiera", "bert", "model"])
def test_a_body_saved_alone_has_the_names_that_it_has_under_a_head(prefix: str) -> None:
    assert canonical_name(f"{prefix}.encoder.layer.0.x.weight") == canonical_name("encoder.layer.0.x.weight")


def test_the_tower_of_a_whole_has_the_names_of_the_tower_alone() -> None:
    name = "encoder.layers.0.mlp.fc1.weight"
    whole = canonical_names([f"text_model.{name}", f"vision_model.{name}"], {"architectures": ["CLIPModel"]})
    alone = canonical_names([name], {"architectures": ["CLIPTextModel"]})
    assert whole[f"text_model.{name}"] == alone[name] != whole[f"vision_model.{name}"]


def test_tensors_that_would_get_one_name_keep_a_prefix() -> None:
    body = ["layers.0.x.weight", "language_model.layers.0.x.weight"]
    alone = canonical_names(body, {})
    under = canonical_names([f"model.{name}" for name in body], {})
    assert list(alone.values()) == list(under.values()) == [(name,) for name in body]


@pytest.mark.parametrize("name", ["embed_in.weight", "embeddings.weight", "embed_tokens.weight", "lm_head.weight",
                                  "encoder.embed_tokens.weight", "embeddings.word_embeddings.weight", "wte.weight",
                                  "shared.weight", "cls.predictions.decoder.weight"])  # fmt: skip
def test_tables_with_a_row_a_token(name: str) -> None:
    assert is_vocabulary(name)


@pytest.mark.parametrize("name", ["embeddings.position_embeddings.weight", "wpe.weight", "x_embed_tokens.weight",
                                  "layers.0.mlp.shared.up_proj.weight", "encoder.layer.0.output.dense.weight"])  # fmt: skip
def test_other_tables(name: str) -> None:
    assert not is_vocabulary(name)


@pytest.mark.parametrize(("part", "names"), [
    (WORDS, "embed_tokens.weight wte.weight embeddings.word_embeddings.weight shared.weight"),
    (INTO_HEADS, "layers.0.self_attn.q_proj.weight encoder.layer.0.attention.self.query.weight h.0.attn.c_attn.weight "
                 "layers.0.attention.query_key_value.weight encoder.block.0.layer.0.SelfAttention.k.weight"),
    (OUT_OF_HEADS, "layers.0.self_attn.v_proj.weight encoder.layer.0.attention.output.dense.weight h.0.attn.c_proj.weight "
                   "layers.0.attention.dense.weight encoder.block.0.layer.0.SelfAttention.o.weight"),
    (INTO_MLP, "layers.0.mlp.gate_proj.weight encoder.layer.0.intermediate.dense.weight h.0.mlp.c_fc.weight "
               "layers.0.mlp.dense_h_to_4h.weight layers.0.block_sparse_moe.experts.3.w1.weight"),
    (OUT_OF_MLP, "layers.0.mlp.down_proj.weight encoder.layer.0.output.dense.weight h.0.mlp.c_proj.weight "
                 "encoder.block.0.layer.1.DenseReluDense.wo.weight layers.0.block_sparse_moe.experts.3.w2.weight"),
    (HEAD, "lm_head.weight embed_out.weight"),
    (-1, "wpe.weight layers.0.input_layernorm.weight patch_embeddings.projection.weight"),
])  # fmt: skip
def test_the_part_of_a_tensor_follows_from_its_name(part: int, names: str) -> None:
    assert {name: part_index(name) for name in names.split()} == dict.fromkeys(names.split(), part)


def test_a_long_name_is_no_part() -> None:
    assert part_index(f"{'a' * (MAX_NAME_LENGTH - 7)}.q_proj") != -1
    assert part_index(f"{'a' * (MAX_NAME_LENGTH - 6)}.q_proj") == -1
