"""Models that transformers itself writes: whole, without a head, an encoder alone, and as memory has them."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ingest.formats.open_model import open_model
from tests.support.packing import values

SIDES = {"hidden_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 96}
IMAGES = {**SIDES, "image_size": 32, "patch_size": 8}
TEXT = {**SIDES, "vocab_size": 99, "pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2}
CAUSAL = {**TEXT, "num_key_value_heads": 2}
EXPERTS = {**CAUSAL, "moe_intermediate_size": 48, "shared_expert_intermediate_size": 48, "num_experts_per_tok": 2}
SOUND = {
    **SIDES,
    "vocab_size": 99,
    "conv_dim": [32] * 7,
    "num_conv_pos_embeddings": 16,
    "num_conv_pos_embedding_groups": 4,
}
SPEECH = {
    "d_model": 64, "encoder_layers": 2, "decoder_layers": 2, "encoder_attention_heads": 4, "decoder_attention_heads": 4,
    "encoder_ffn_dim": 96, "decoder_ffn_dim": 96, "vocab_size": 99, "pad_token_id": 0, "bos_token_id": 1,
    "eos_token_id": 2, "decoder_start_token_id": 1, "max_source_positions": 64, "max_target_positions": 64,
}  # fmt: skip
MODELS: dict[str, dict[str, Any]] = {
    "BertForSequenceClassification": TEXT,
    "DistilBertForSequenceClassification": {"dim": 64, "n_layers": 2, "n_heads": 4, "hidden_dim": 96, "vocab_size": 99},
    "EsmForSequenceClassification": {**TEXT, "mask_token_id": 3, "max_position_embeddings": 64},
    "LayoutLMv3ForSequenceClassification": {**TEXT, "input_size": 32, "patch_size": 8, "coordinate_size": 8,
                                            "shape_size": 16},
    "GPT2ForSequenceClassification": {"n_embd": 64, "n_layer": 2, "n_head": 4, "vocab_size": 99, "bos_token_id": 1,
                                      "eos_token_id": 2, "pad_token_id": 0},
    "GPTNeoXForCausalLM": TEXT,
    "MambaForCausalLM": {"hidden_size": 64, "num_hidden_layers": 2, "vocab_size": 99, "state_size": 8},
    "LlamaForSequenceClassification": CAUSAL,
    "MixtralForCausalLM": {**CAUSAL, "num_local_experts": 4},
    "Qwen2MoeForCausalLM": {**EXPERTS, "num_experts": 4},
    "Qwen3MoeForCausalLM": {**EXPERTS, "num_experts": 4, "head_dim": 16},
    "ViTForImageClassification": IMAGES,
    "DeiTForImageClassification": IMAGES,
    "Dinov2ForImageClassification": {**IMAGES, "use_swiglu_ffn": True},
    "SwinForImageClassification": {"image_size": 32, "patch_size": 4, "embed_dim": 32, "depths": [1, 1],
                                   "num_heads": [2, 2], "window_size": 4},
    "Wav2Vec2ForSequenceClassification": SOUND,
    "T5ForConditionalGeneration": {"d_model": 64, "d_kv": 16, "d_ff": 96, "num_layers": 2, "num_heads": 4,
                                   "vocab_size": 99, "decoder_start_token_id": 0},
    "WhisperForConditionalGeneration": SPEECH,
}  # fmt: skip


def random_model(name: str) -> Any:
    import torch
    import transformers

    kind = getattr(transformers, name)
    model = kind(kind.config_class(**MODELS[name])).eval()
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=generator) / 50)
    return model


def by_name(folder: Path) -> dict[str, bytes]:
    with open_model(folder) as model:
        return {name: np.ascontiguousarray(values(matrix)).tobytes() for name, matrix in model.matrices.items()}


def save_as_in_memory(model: Any, folder: Path) -> None:
    from safetensors.torch import save_file

    first: dict[int, str] = {}
    state = {name: value for name, value in model.state_dict().items()
             if first.setdefault(value.data_ptr(), name) == name}  # fmt: skip
    folder.mkdir()
    save_file({name: value.contiguous().clone() for name, value in state.items()}, folder / "model.safetensors")
    model.config.architectures = [type(model).__name__]
    model.config.save_pretrained(folder)


@pytest.mark.slow
@pytest.mark.parametrize("name", MODELS)
def test_every_way_to_save_a_model_gives_the_same_names_and_values(tmp_path: Path, name: str) -> None:
    pytest.importorskip("transformers")
    from transformers import PreTrainedModel

    model = random_model(name)
    model.save_pretrained(tmp_path / "whole")
    save_as_in_memory(model, tmp_path / "memory")
    parts = {"memory": model, "body": getattr(model, model.base_model_prefix, None)}
    if "decoder_layers" in MODELS[name]:
        parts["encoder"] = model.get_encoder()
    whole = by_name(tmp_path / "whole")
    names = defaultdict(set)
    for each, value in whole.items():
        names[value].add(each)
    for what, part in parts.items():
        if not isinstance(part, PreTrainedModel):
            continue
        if what != "memory":
            part.save_pretrained(tmp_path / what)
        found = by_name(tmp_path / what)
        assert found
        strange = {each: sorted(names[value]) for each, value in found.items() if each not in names[value]}
        assert not strange, what
