"""Small models of ten architectures, and what each trains on."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
import transformers
from diffusers import UNet2DConditionModel
from torch import Tensor, nn
from transformers.utils import ModelOutput

from atlas_db.core.arrays import Bytes
from benchmarks.zoo import vit
from benchmarks.zoo.corpora import VOCABULARY, corpora
from benchmarks.zoo.tools.draws import CORPORA, LANGUAGE_MODELS, FamilyPlan
from benchmarks.zoo.training import batches

CLASSES = 10
"""Of the made-up pictures that vision models are trained on."""
MELS, FRAMES = 16, 64
"""Of Whisper's input: frequency bands, and frames that its convolutions halve."""
MASK = 255
"""The word that hides others from BERT."""
SPECIAL = {"bos_token_id": 1, "eos_token_id": 2, "pad_token_id": 0}
Objective = Callable[[], Tensor]


class Modules(NamedTuple):
    """Names of an architecture's modules, as they are in memory.

    Attributes:
        attention: Query and value, as LoRA's authors have it.
        linear: Every matrix of the blocks.
        words: The embedding table; empty where there is none.
        norms: Layer norms.
        up: Matrices whose rows are the MLP's neurons.
        down: Matrices whose columns are.
        inner: Names of the number of neurons in the configuration.
        layers: The list of blocks.
        ia3: Keys, values and the MLP's second matrix, as (IA)³ has it.
    """

    attention: tuple[str, ...]
    linear: tuple[str, ...]
    words: str
    norms: tuple[str, ...]
    up: tuple[str, ...]
    down: tuple[str, ...]
    inner: tuple[str, ...]
    layers: str
    ia3: tuple[str, ...]


_LLAMA = Modules(
    ("q_proj", "v_proj"), ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"), "embed_tokens",
    ("input_layernorm", "post_attention_layernorm"), ("mlp.gate_proj", "mlp.up_proj"), ("mlp.down_proj",),
    ("intermediate_size",), "model.layers", ("k_proj", "v_proj", "down_proj"),
)  # fmt: skip
MODULES = {
    "llama": _LLAMA, "llama-wide": _LLAMA, "qwen3": _LLAMA, "gemma3": _LLAMA,
    "mixtral": _LLAMA._replace(linear=("q_proj", "k_proj", "v_proj", "o_proj"), ia3=("k_proj", "v_proj")),
    "gpt2": Modules(
        ("c_attn",), ("c_attn", "c_proj", "c_fc"), "wte", ("ln_1", "ln_2"), ("mlp.c_fc",), ("mlp.c_proj",),
        ("n_inner",), "transformer.h", ("c_attn", "mlp.c_proj"),
    ),
    "bert": Modules(
        ("query", "value"), ("query", "key", "value", "attention.output.dense", "intermediate.dense", "output.dense"),
        "word_embeddings", ("LayerNorm",), ("intermediate.dense",), ("output.dense",), ("intermediate_size",),
        "bert.encoder.layer", ("key", "value", "output.dense"),
    ),
    "t5": Modules(
        ("q", "v"), ("q", "k", "v", "o", "wi", "wo"), "shared", ("layer_norm",), ("DenseReluDense.wi",),
        ("DenseReluDense.wo",), ("d_ff",), "", ("k", "v", "wo"),
    ),
    "vit": Modules(
        ("q_proj", "v_proj"), ("q_proj", "k_proj", "v_proj", "o_proj", "fc1", "fc2"), "",
        ("layernorm_before", "layernorm_after"), ("mlp.fc1",), ("mlp.fc2",), ("intermediate_size",), "vit.layers",
        ("k_proj", "v_proj", "fc2"),
    ),
    "whisper": Modules(
        ("q_proj", "v_proj"), ("q_proj", "k_proj", "v_proj", "out_proj", "fc1", "fc2"), "decoder.embed_tokens",
        ("self_attn_layer_norm", "final_layer_norm"), ("fc1",), ("fc2",), ("encoder_ffn_dim", "decoder_ffn_dim"), "",
        ("k_proj", "v_proj", "fc2"),
    ),
    "unet": Modules(("to_q", "to_v"), ("to_q", "to_k", "to_v", "to_out.0"), "", (), (), (), (), "", ()),
}  # fmt: skip
_HEADS = 4
_AUTO = {
    **dict.fromkeys(LANGUAGE_MODELS, transformers.AutoModelForCausalLM), "bert": transformers.AutoModelForMaskedLM,
    "t5": transformers.AutoModelForSeq2SeqLM, "vit": transformers.AutoModelForImageClassification,
    "whisper": transformers.AutoModelForSpeechSeq2Seq, "unet": UNet2DConditionModel,
}  # fmt: skip
TASK_TYPES = {**dict.fromkeys(LANGUAGE_MODELS, "CAUSAL_LM"), "t5": "SEQ_2_SEQ_LM", "whisper": None}
"""What PEFT calls the tasks; feature extraction and the like have no name that its wrapper needs."""


def initial(plan: FamilyPlan) -> nn.Module:
    """Return a new model of a plan's architecture with random weights."""
    if plan.architecture == "unet":
        return UNet2DConditionModel(
            sample_size=8, in_channels=3, out_channels=3, block_out_channels=(plan.width // 2, plan.width),
            layers_per_block=1, cross_attention_dim=32, norm_num_groups=8, attention_head_dim=8,
            down_block_types=("CrossAttnDownBlock2D", "DownBlock2D"),
            up_block_types=("UpBlock2D", "CrossAttnUpBlock2D"),
        )  # fmt: skip
    return _AUTO[plan.architecture].from_config(configuration(plan))


def configuration(plan: FamilyPlan) -> transformers.PreTrainedConfig:
    """Return the configuration of a plan's architecture."""
    width, layers = plan.width, plan.layers
    inner = width * 8 // 3 // 32 * 32
    words = {"vocab_size": VOCABULARY, "hidden_size": width, "intermediate_size": inner, "num_hidden_layers": layers,
             "num_attention_heads": _HEADS, **SPECIAL}  # fmt: skip
    grouped = {**words, "num_key_value_heads": plan.kv_heads, "max_position_embeddings": 128}
    match plan.architecture:
        case "llama" | "llama-wide":
            return transformers.LlamaConfig(**grouped)
        case "qwen3":
            return transformers.Qwen3Config(**grouped, head_dim=width // _HEADS, tie_word_embeddings=True)
        case "gemma3":
            return transformers.Gemma3TextConfig(
                **grouped, head_dim=width // _HEADS, query_pre_attn_scalar=width // _HEADS, sliding_window=32
            )
        case "mixtral":
            return transformers.MixtralConfig(**grouped | {"intermediate_size": inner // 2}, num_local_experts=4)
        case "gpt2":
            return transformers.GPT2Config(
                vocab_size=VOCABULARY, n_embd=width, n_layer=layers, n_head=_HEADS, n_inner=4 * width, n_positions=128,
                **SPECIAL,
            )  # fmt: skip
        case "bert":
            return transformers.BertConfig(**words, max_position_embeddings=128)
        case "t5":
            return transformers.T5Config(
                vocab_size=VOCABULARY, d_model=width, d_kv=width // _HEADS, d_ff=inner, num_layers=layers,
                num_heads=_HEADS, decoder_start_token_id=0, **SPECIAL,
            )  # fmt: skip
        case "vit":
            sides = {name: words[name] for name in ("hidden_size", "intermediate_size", "num_hidden_layers",
                                                    "num_attention_heads")}  # fmt: skip
            return transformers.ViTConfig(**sides, image_size=vit.SIDE, patch_size=vit.PATCH, num_labels=CLASSES)
        case "whisper":
            return transformers.WhisperConfig(
                vocab_size=VOCABULARY, d_model=width, encoder_layers=layers - 1, decoder_layers=layers - 1,
                encoder_attention_heads=_HEADS, decoder_attention_heads=_HEADS, encoder_ffn_dim=inner,
                decoder_ffn_dim=inner, num_mel_bins=MELS, max_source_positions=FRAMES // 2, max_target_positions=64,
                decoder_start_token_id=1, **SPECIAL,
            )  # fmt: skip
    raise ValueError(plan.architecture)


def load(architecture: str, folder: Path, dtype: torch.dtype = torch.float32, **options: object) -> nn.Module:
    """Read a model as its users would."""
    return _AUTO[architecture].from_pretrained(str(folder), torch_dtype=dtype, **options)


@dataclass(frozen=True, slots=True)
class Lessons:
    """What the models of a family train on.

    Attributes:
        architecture: Whose objective it is.
        seed: Of the family.
        texts: Corpora; each but the first has its own part of the words.
    """

    architecture: str
    seed: int
    texts: list[Bytes]

    @classmethod
    def of(cls, plan: FamilyPlan) -> Lessons:
        """Make the corpora of a plan."""
        rng, texts = np.random.default_rng(plan.seed), corpora(plan.seed, CORPORA)
        return cls(plan.architecture, plan.seed, [texts[0], *(_part_of_words(text, rng) for text in texts[1:])])

    def objective(self, model: nn.Module, corpus: int, seed: int) -> Objective:
        """Return the loss of the next random batch, as the architecture was pretrained."""
        if self.architecture == "vit":
            pictures = vit.task(1000 * self.seed + corpus, CLASSES)
            return lambda: _classified(model, *pictures())
        if self.architecture == "unet":
            return self._denoised(model, corpus)
        draw = batches(self.texts[corpus], seed)
        if self.architecture == "bert":
            return lambda: _masked(model, draw())
        if self.architecture == "t5":
            return lambda: _halves(model, draw())
        if self.architecture == "whisper":
            sounds = torch.randn(VOCABULARY, MELS, 2, generator=torch.Generator().manual_seed(self.seed))
            return lambda: _transcribed(model, sounds, draw())
        return lambda: _next_words(model, draw())

    def labelled(self, model: nn.Module, corpus: int, seed: int) -> Objective:
        """Return the loss of a classifier put on a body: which part of the words the first one is of."""
        classes = int(model.config.num_labels)
        if self.architecture == "vit":
            pictures = vit.task(1000 * self.seed + 500 + corpus, classes)
            return lambda: _classified(model, *pictures())
        draw = batches(self.texts[corpus], seed)
        if self.architecture == "whisper":
            sounds = torch.randn(VOCABULARY, MELS, 2, generator=torch.Generator().manual_seed(self.seed))

            def classified() -> Tensor:
                tokens = draw()[:, : FRAMES // 2]
                return _loss(model(input_features=_spectra(sounds, tokens), labels=tokens[:, 0] % classes))

            return classified

        def read() -> Tensor:
            tokens = draw().clamp(min=SPECIAL["eos_token_id"] + 1)
            if self.architecture == "t5":
                tokens[:, -1] = SPECIAL["eos_token_id"]
            return _loss(model(input_ids=tokens, labels=tokens[:, 0] % classes))

        return read

    def _denoised(self, model: nn.Module, corpus: int) -> Objective:
        pictures = vit.task(1000 * self.seed + corpus, CLASSES)
        prompts = torch.randn(CLASSES, 4, 32, generator=torch.Generator().manual_seed(self.seed))

        def loss() -> Tensor:
            clean, labels = pictures()
            clean, labels = clean[:16, :, ::2, ::2], labels[:16]
            noise, steps = torch.randn_like(clean), torch.randint(0, 1000, (len(clean),))
            share = torch.cos(steps / 1000 * torch.pi / 2)[:, None, None, None]
            mixed = share * clean + (1 - share**2).sqrt() * noise
            dtype = model.dtype
            out = model(mixed.to(dtype), steps, encoder_hidden_states=prompts[labels].to(dtype)).sample
            return nn.functional.mse_loss(out.float(), noise)

        return loss


def _part_of_words(text: Bytes, rng: np.random.Generator) -> Bytes:
    """Return a text in which a random part of the vocabulary never occurs."""
    words = rng.permutation(VOCABULARY)[: int(VOCABULARY * rng.uniform(0.25, 1.0))].astype(np.uint8)
    table = np.arange(VOCABULARY, dtype=np.uint8)
    missing = np.setdiff1d(table, words)
    table[missing] = words[missing.astype(np.int64) % len(words)]
    return table[text]


def _loss(out: ModelOutput) -> Tensor:
    loss: Tensor = out.loss
    return loss


def _next_words(model: nn.Module, tokens: Tensor) -> Tensor:
    return _loss(model(input_ids=tokens, labels=tokens))


def _masked(model: nn.Module, tokens: Tensor) -> Tensor:
    hidden = torch.rand(tokens.shape) < 0.15
    return _loss(model(input_ids=tokens.masked_fill(hidden, MASK), labels=tokens.masked_fill(~hidden, -100)))


def _halves(model: nn.Module, tokens: Tensor) -> Tensor:
    first, second = tokens.chunk(2, 1)
    return _loss(model(input_ids=first.contiguous(), labels=second.contiguous()))


def _spectra(sounds: Tensor, tokens: Tensor) -> Tensor:
    """Return spectra of words, two frames each, with noise, (batch, bands, frames)."""
    clean = sounds[tokens].permute(0, 2, 1, 3).flatten(2)
    return clean + 0.5 * torch.randn_like(clean)


def _transcribed(model: nn.Module, sounds: Tensor, tokens: Tensor) -> Tensor:
    tokens = tokens[:, : FRAMES // 2]
    return _loss(model(input_features=_spectra(sounds, tokens).to(model.dtype), labels=tokens))


def _classified(model: nn.Module, pictures: Tensor, labels: Tensor) -> Tensor:
    return nn.functional.cross_entropy(model(pictures.to(model.dtype)).logits.float(), labels)
