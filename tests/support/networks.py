"""Small networks of transformers, and the same function written in other weights."""

from __future__ import annotations

import copy
from typing import Any


def llama(seed: int, vocabulary: int = 300) -> Any:
    """Return a small Llama, drawn at random. Libraries are imported here: most tests are collected without being run."""
    import torch
    import transformers

    torch.manual_seed(seed)
    shape = transformers.LlamaConfig(
        hidden_size=64,
        intermediate_size=128,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=4,
        vocab_size=vocabulary,
    )
    model = transformers.LlamaForCausalLM(shape)
    # Training leaves marks that a fresh draw does not have; larger weights make its answers a model's own.
    for weights in model.parameters():
        if weights.dim() > 1:
            weights.data *= 3
    return model


def rewritten(model: Any) -> Any:
    """The same function: the basis of each MLP scaled and shuffled, that of each head's values turned."""
    import torch

    out = copy.deepcopy(model)
    for number, layer in enumerate(out.model.layers):
        generator = torch.Generator().manual_seed(number)
        order, scale = torch.randperm(128, generator=generator), torch.rand(128, generator=generator) * 5 + 0.2
        mlp, attention = layer.mlp, layer.self_attn
        mlp.gate_proj.weight.data = mlp.gate_proj.weight.data[order]
        mlp.up_proj.weight.data = mlp.up_proj.weight.data[order] * scale[:, None]
        mlp.down_proj.weight.data = mlp.down_proj.weight.data[:, order] / scale
        turn, _ = torch.linalg.qr(torch.randn(16, 16, generator=generator))
        value, output = attention.v_proj.weight, attention.o_proj.weight
        value.data = (turn @ value.data.view(4, 16, 64)).reshape(64, 64)
        output.data = (output.data.view(64, 4, 16) @ turn.T).reshape(64, 64)
        # A gain before a matrix can be taken into it.
        for norm, matrices in (
            (layer.input_layernorm, (attention.q_proj, attention.k_proj, attention.v_proj)),
            (layer.post_attention_layernorm, (mlp.gate_proj, mlp.up_proj)),
        ):
            gain = torch.rand(64, generator=generator) * 8 + 0.1
            gain[::2] *= -1
            norm.weight.data = norm.weight.data * gain
            for matrix in matrices:
                matrix.weight.data = matrix.weight.data / gain
    return out


SMALL: dict[str, Any] = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 64}


KINDS: list[tuple[str, str, str, dict[str, Any], str, str]] = [
    ("bert", "BertForSequenceClassification", "BertConfig", {**SMALL, "vocab_size": 200}, "tokens", "logits:2"),
    ("vit", "ViTForImageClassification", "ViTConfig", {**SMALL, "image_size": 32, "patch_size": 8}, "image", "logits:2"),
    ("resnet", "ResNetModel", "ResNetConfig", {"embedding_size": 8, "hidden_sizes": [8, 16], "depths": [1, 1]}, "image",
     "states:16"),
    ("t5", "T5ForConditionalGeneration", "T5Config",
     {"d_model": 32, "d_ff": 64, "num_layers": 2, "num_heads": 2, "d_kv": 16, "vocab_size": 200,
      "decoder_start_token_id": 0}, "tokens", "logits:200"),
    ("w2v", "Wav2Vec2ForCTC", "Wav2Vec2Config",
     {**SMALL, "vocab_size": 20, "conv_dim": (16, 16), "conv_stride": (5, 5), "conv_kernel": (10, 3),
      "num_conv_pos_embeddings": 16, "num_conv_pos_embedding_groups": 2}, "audio", "logits:20"),
]  # fmt: skip
"""Name, class, class of the configuration, its values, kind of inputs and signature of a network of each modality."""
