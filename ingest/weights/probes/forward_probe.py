"""Probe of a model: its outputs on fixed inputs, which no permutation or scaling of its neurons changes.

Horwitz et al. (arXiv 2503.10633) propose outputs as evidence of lineage. Inputs are drawn once from a seed: token ids,
sentences where the model has a tokenizer, images, or audio. Two things are stored:

- the outputs at 16 places, less their mean over the places of each input;
- the centred Gram matrix of the last layer's states of the inputs. It does not depend on the basis of that layer. So
  models of other widths and heads are compared by linear CKA (Kornblith et al., arXiv 1905.00414).

Only architectures of transformers itself are run, from local files. No code that comes with a model is run.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import psutil

from atlas_db.core.arrays import Floats
from atlas_db.core.errors import WeightsError

if TYPE_CHECKING:
    import torch

SEED = 0
INPUTS_PER_KIND, TOKENS_PER_INPUT = 32, 16
"""Inputs of each kind, and tokens of each input."""
OUTPUT_POSITIONS = 16
"""Places of an output that are stored."""
MAX_TOKEN_ID = 1000
"""Token ids, and places of an output over a vocabulary, are drawn below this: a larger vocabulary keeps them."""
GRAM_LENGTH = INPUTS_PER_KIND * (INPUTS_PER_KIND + 1) // 2
SAMPLE_RATE = 16_000
_SENTENCES = (
    "The river froze in the night.", "Who wrote the letter?", "def add(a, b): return a + b", "2 + 2 = 4",
    "Das Haus steht am See.", "Le train part à midi.", "El perro duerme.", "今日は雨です。", "我喜欢喝茶。",
    "Привет, мир!", "I never liked that film.", "What a wonderful meal!", "Boil the rice for ten minutes.",
    "The defendant denies the claim.", "SELECT name FROM users WHERE id = 7;", "The cell divides by mitosis.",
    "Once upon a time a fox", "Shares fell by three percent.", "Turn left at the second light.", "E = mc^2",
    "Water boils at 100 degrees.", "She said: 'Come in.'", "{\"key\": [1, 2, 3]}", "No, thank you.",
    "The capital of Norway is", "Add salt, then stir.", "for (int i = 0; i < n; i++) {", "A B C D E F G",
    "He broke the record again.", "Translate to French: good morning", "lol ok see u later", "The end.",
)  # fmt: skip


class ProbeOutput(NamedTuple):
    """Outputs of a model on inputs of one kind.

    Attributes:
        kind: tokens, text, image or audio.
        signature: Kind and shape of the output; outputs are comparable where it is equal.
        outputs: Output at some places, less the mean of each input, shape (32 · places,).
        gram: Upper triangle of the centred Gram matrix of the last layer's states, scaled to length 1, shape (528,).
    """

    kind: str
    signature: str
    outputs: Floats
    gram: Floats


def probe_model(folder: Path) -> list[ProbeOutput]:
    """Return the outputs of a model on the fixed inputs.

    Args:
        folder: Its folder, in the layout of transformers.

    Returns:
        One output a kind of inputs: token ids and, where there is a tokenizer, sentences; or images; or audio.

    Raises:
        WeightsError: It is no model that transformers knows and can run from these files.
    """
    import torch

    model = _load_model(folder)
    out = []
    with torch.inference_mode():
        for kind, inputs in _inputs(folder, model):
            try:
                out.append(_probe_output(kind, [_forward(model, one) for one in inputs]))
            # Architectures raise these differently: a second input is missing, or tokenizer and vocabulary differ.
            except (TypeError, ValueError, RuntimeError, IndexError, AttributeError, KeyError) as error:
                raise WeightsError(str(folder), f"cannot be run on {kind} alone ({_one_line(error)})") from error
    return out


def _load_model(folder: Path) -> Any:  # noqa: ANN401
    import torch
    import transformers
    from safetensors import SafetensorError

    transformers.utils.logging.set_verbosity_error()
    transformers.utils.logging.disable_progress_bar()
    weights = list(folder.glob("*.safetensors"))
    size = sum(file.stat().st_size for file in weights)
    if not weights:
        raise WeightsError(str(folder), "holds no safetensors to probe")
    if (folder / "adapter_config.json").exists():
        raise WeightsError(str(folder), "is an adapter, which answers nothing without its base")
    if 3 * size > psutil.virtual_memory().available:
        raise WeightsError(str(folder), f"needs more memory than is free to be run ({size / 2**30:.1f} GiB of weights)")
    local_only: dict[str, Any] = {"local_files_only": True, "trust_remote_code": False}
    try:
        config = transformers.AutoConfig.from_pretrained(folder, **local_only)
        if getattr(config, "quantization_config", None):
            raise WeightsError(str(folder), "holds packed integers, which are not run")
        model_class = _model_class(config)
        model, loading_info = model_class.from_pretrained(
            folder, config=config, use_safetensors=True, dtype=torch.float32, output_loading_info=True, **local_only
        )
    except (
        SafetensorError,
        OSError,
        ValueError,
        KeyError,
        TypeError,
        RuntimeError,
        AttributeError,
        ImportError,
    ) as error:
        raise WeightsError(str(folder), f"is no model that transformers can open ({_one_line(error)})") from error
    if loading_info["missing_keys"] or loading_info.get("mismatched_keys"):
        absent = sorted(loading_info["missing_keys"] or [key for key, *_ in loading_info["mismatched_keys"]])
        raise WeightsError(str(folder), f"lacks weights of its architecture ({', '.join(map(str, absent[:3]))})")
    return model.eval()


def _model_class(config: Any) -> Any:  # noqa: ANN401
    """Return the class that the configuration names, if transformers has it; else the model without a head."""
    import transformers

    for name in config.architectures or ():
        model_class = getattr(transformers, name, None)
        if isinstance(model_class, type) and issubclass(model_class, transformers.PreTrainedModel):
            return model_class
    return transformers.AutoModel


def _inputs(folder: Path, model: Any) -> Iterator[tuple[str, list[dict[str, torch.Tensor]]]]:  # noqa: ANN401
    import torch

    name = model.main_input_name
    rng = np.random.default_rng(SEED)
    if name == "input_ids":
        vocabulary = getattr(model.config.get_text_config(), "vocab_size", MAX_TOKEN_ID)
        ids = (rng.random((INPUTS_PER_KIND, TOKENS_PER_INPUT)) * min(vocabulary, MAX_TOKEN_ID)).astype(np.int64)
        yield "tokens", [_with_decoder_start(model, name, torch.from_numpy(row[None])) for row in ids]
        if (folder / "tokenizer.json").is_file():
            encoded = [torch.tensor([row]) for row in _encode_sentences(folder, vocabulary)]
            yield "text", [_with_decoder_start(model, name, row) for row in encoded]
    elif name == "pixel_values":
        pictures = _random_images(model.config, rng)
        yield "image", [{name: torch.from_numpy(picture[None])} for picture in pictures]
    elif name in ("input_values", "input_features"):
        yield (
            "audio",
            [
                _with_decoder_start(model, name, torch.from_numpy(sound[None]))
                for sound in _random_audio(name, model, rng)
            ],
        )
    else:
        raise WeightsError(str(folder), f"takes {name}, which there are no inputs for")


def _with_decoder_start(model: Any, name: str, value: torch.Tensor) -> dict[str, torch.Tensor]:  # noqa: ANN401
    """Return inputs of a forward pass, with the start token of a decoder where there is one."""
    import torch

    if not model.config.is_encoder_decoder:
        return {name: value}
    start = model.config.decoder_start_token_id or 0
    return {name: value, "decoder_input_ids": torch.full((1, 1), start)}


def _encode_sentences(folder: Path, vocabulary: int) -> list[list[int]]:
    from tokenizers import Tokenizer

    try:
        # From bytes: then the library raises ValueError for a damaged file.
        tokenizer = Tokenizer.from_buffer((folder / "tokenizer.json").read_bytes())
    except (OSError, ValueError) as error:
        raise WeightsError(str(folder), f"has a tokenizer.json that cannot be read ({_one_line(error)})") from error
    rows = [tokenizer.encode(text).ids for text in _SENTENCES]
    if not all(rows) or max(map(max, rows)) >= vocabulary:
        raise WeightsError(str(folder), "has a tokenizer of more tokens than its vocabulary, or of none")
    return rows


def _random_images(config: Any, rng: np.random.Generator) -> Floats:  # noqa: ANN401
    """Return smooth colour fields, the same at any size, shape (32, channels, height, width)."""
    size = getattr(config, "image_size", None) or getattr(getattr(config, "vision_config", None), "image_size", 224)
    height, width = size if isinstance(size, list | tuple) else (size, size)
    channels = getattr(config, "num_channels", 3)
    coarse = rng.standard_normal((INPUTS_PER_KIND, 3, 8, 8)).astype(np.float32)[:, :channels]
    rows, columns = (_interpolation(side) for side in (height, width))
    return np.asarray(np.einsum("hr,ncrs,ws->nchw", rows, coarse, columns), np.float32)


def _interpolation(side: int) -> Floats:
    """Return the matrix of a linear interpolation of 8 values to a side, shape (side, 8)."""
    at = np.linspace(0, 7, side)
    return np.asarray(np.maximum(1 - np.abs(at[:, None] - np.arange(8)), 0), np.float32)


def _random_audio(name: str, model: Any, rng: np.random.Generator) -> Floats:  # noqa: ANN401
    """Return one second of three tones each, or a spectrogram of as many frames as the model takes.

    Returns:
        Shape (32, samples), or (32, bins, frames).
    """
    if name == "input_features":
        bins, frames = getattr(model.config, "num_mel_bins", 80), 2 * getattr(model.config, "max_source_positions", 500)
        coarse = rng.standard_normal((INPUTS_PER_KIND, 8, 8)).astype(np.float32)
        return np.asarray(np.einsum("br,nrs,fs->nbf", _interpolation(bins), coarse, _interpolation(frames)), np.float32)
    tones = rng.uniform(80, 4000, (INPUTS_PER_KIND, 3, 1))
    return np.asarray(np.sin(2 * np.pi * tones * np.arange(SAMPLE_RATE) / SAMPLE_RATE).sum(1), np.float32)


def _forward(model: Any, inputs: dict[str, torch.Tensor]) -> tuple[Floats, Floats]:  # noqa: ANN401
    """Return one input's output, shape (o,), and the state of the last layer, shape (h,)."""
    found = model(**inputs, output_hidden_states=True)
    states = found.get("encoder_hidden_states") or found.get("hidden_states")
    last = states[-1] if states else found["last_hidden_state"]
    # Convolutions have channels first, all others last.
    state = last.flatten(2).mean(2)[0] if last.dim() == 4 else last.flatten(1, -2).mean(1)[0]
    output = found.get("logits")
    return (state if output is None else output.flatten(0, -2)[-1]).float().numpy(), state.float().numpy()


def _probe_output(kind: str, found: list[tuple[Floats, Floats]]) -> ProbeOutput:
    outputs = np.stack([output for output, _ in found])
    states = np.stack([state for _, state in found]).astype(np.float64)
    if not (np.isfinite(outputs).all() and np.isfinite(states).all()):
        raise ValueError("it answers with values that are no numbers")
    width = min(outputs.shape[1], MAX_TOKEN_ID)
    places = np.sort(np.random.default_rng(SEED).permutation(width)[:OUTPUT_POSITIONS])
    kept = outputs[:, places]
    head = "states" if outputs.shape[1] == states.shape[1] and np.allclose(outputs, states) else "logits"
    # Vocabularies of other sizes are compared at the ids that both have.
    side = f"{outputs.shape[1]}" if outputs.shape[1] < MAX_TOKEN_ID else f"{MAX_TOKEN_ID}+"
    centred = states - states.mean(0)
    gram = centred @ centred.T
    upper = np.triu_indices(INPUTS_PER_KIND)
    flat = gram[upper] * np.where(upper[0] == upper[1], 1, np.sqrt(2))
    return ProbeOutput(
        kind,
        f"{head}:{side}",
        (kept - kept.mean(1, keepdims=True)).astype(np.float32).reshape(-1),
        (flat / max(float(np.linalg.norm(flat)), 1e-30)).astype(np.float32),
    )


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())[:160] or type(error).__name__
