"""Models that lack a part of their parent, or have another: heads, bodies, words, neurons, layers."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import torch
import transformers
from sentence_transformers import SentenceTransformer
from sentence_transformers.models import Pooling, Transformer
from torch import Tensor, nn

from benchmarks.zoo.plan import Node
from benchmarks.zoo.tools.architectures import MODULES, SPECIAL
from benchmarks.zoo.tools.workshop import Workshop


def swap_head(work: Workshop, node: Node, folder: Path) -> dict[str, Any]:
    """Put a new classifier on the body and train both."""
    rng, parent = random.Random(node.seed), work.parents(node)[0]
    auto: Any = {
        "vit": transformers.AutoModelForImageClassification, "whisper": transformers.AutoModelForAudioClassification,
    }.get(work.plan.architecture, transformers.AutoModelForSequenceClassification)  # fmt: skip
    words = {} if work.plan.architecture == "vit" else {"pad_token_id": SPECIAL["pad_token_id"]}
    model = auto.from_pretrained(
        parent, num_labels=rng.choice((2, 3, 5)), ignore_mismatched_sizes=True, torch_dtype=torch.float32, **words
    )
    work.train(model, node, objective=work.lessons.labelled(model, node.corpus, node.seed))
    work.save(model, folder, node)
    return {"labels": model.config.num_labels}


def save_body(work: Workshop, node: Node, folder: Path) -> dict[str, Any]:
    """Save what `AutoModel` reads: the body without a head."""
    work.save(transformers.AutoModel.from_pretrained(work.parents(node)[0]), folder, node)
    return {}


def save_encoder(work: Workshop, node: Node, folder: Path) -> dict[str, Any]:
    """Save the encoder alone, of Whisper as a classifier that is trained."""
    parent = work.parents(node)[0]
    if work.plan.architecture == "whisper":
        return swap_head(work, node, folder)
    work.save(transformers.T5EncoderModel.from_pretrained(parent), folder, node)
    return {}


def save_sentence_model(work: Workshop, node: Node, folder: Path) -> dict[str, Any]:
    """Train a sentence-transformers model a little: neighbours in the text are similar."""
    body = Transformer(work.parents(node)[0])
    model = SentenceTransformer(modules=[body, Pooling(body.get_word_embedding_dimension())], device="cpu")
    draw = work.lessons.texts[node.corpus]
    rng = torch.Generator().manual_seed(node.seed)

    def loss() -> Tensor:
        rows = torch.randint(0, len(draw), (16,), generator=rng)
        text = torch.from_numpy(draw)[rows].long()
        first, second = ({"input_ids": part, "attention_mask": torch.ones_like(part)} for part in
                         (text[:, :32], text[:, 32:64]))  # fmt: skip
        one, two = (model(part)["sentence_embedding"] for part in (first, second))
        return nn.functional.cross_entropy(nn.functional.cosine_similarity(one[:, None], two[None], dim=-1) * 20,
                                           torch.arange(16))  # fmt: skip

    work.train(model, node, objective=loss, steps=work.plan.short_steps)
    model.save(str(folder))
    return {}


def pad_words(work: Workshop, node: Node, folder: Path) -> dict[str, Any]:
    """Add rows to the embedding table, and train."""
    more = random.Random(node.seed).choice((8, 16, 32))
    model = work.load(work.parents(node)[0])
    model.resize_token_embeddings(model.config.vocab_size + more)
    work.train(model, node)
    work.save(model, folder, node)
    return {"words": more}


def cut_layers(work: Workshop, node: Node, folder: Path) -> dict[str, Any]:
    """Leave out a block, by hand as most do it."""
    model = work.load(work.parents(node)[0])
    blocks = model.get_submodule(MODULES[work.plan.architecture].layers)
    out = random.Random(node.seed).randrange(1, len(blocks))
    parts = MODULES[work.plan.architecture].layers.split(".")
    kept = nn.ModuleList(block for number, block in enumerate(blocks) if number != out)
    setattr(model.get_submodule(".".join(parts[:-1])), parts[-1], kept)
    types = getattr(model.config, "layer_types", None)
    if types:
        model.config.layer_types = [kind for number, kind in enumerate(types) if number != out]
    model.config.num_hidden_layers = len(kept)
    _save_cut(work, node, folder, model)
    return {"left_out": out}


def cut_neurons(work: Workshop, node: Node, folder: Path) -> dict[str, Any]:
    """Leave out neurons of every MLP: those with the smallest weights, or random ones."""
    rng, names = random.Random(node.seed), MODULES[work.plan.architecture]
    share, by_size = rng.uniform(0.5, 0.85), rng.random() < 0.6
    model = work.load(work.parents(node)[0])
    generator = torch.Generator().manual_seed(node.seed)
    for name, module in list(model.named_modules()):
        if not name.endswith(names.up[0]):
            continue
        block = model.get_submodule(name.removesuffix(names.up[0]).removesuffix("."))
        lies = isinstance(module, transformers.pytorch_utils.Conv1D)  # its matrix is inputs by outputs
        neurons = module.weight.shape[1 if lies else 0]
        order = torch.randperm(neurons, generator=generator)
        if by_size:
            order = module.weight.norm(dim=0 if lies else 1).argsort(descending=True)
        kept = order[: int(neurons * share) // 8 * 8].sort().values
        for up in names.up:
            _keep(block.get_submodule(up), kept, rows=not lies, bias=True)
        for down in names.down:
            _keep(block.get_submodule(down), kept, rows=lies, bias=False)
    for field in names.inner:
        setattr(model.config, field, len(kept))
    _save_cut(work, node, folder, model)
    return {"share": share, "by_size": by_size}


def _keep(module: nn.Module, kept: Tensor, *, rows: bool, bias: bool) -> None:
    """Keep some rows or columns of a matrix, and of its bias where it goes with them."""
    module.weight = nn.Parameter(module.weight.detach().index_select(0 if rows else 1, kept).contiguous())
    if bias and getattr(module, "bias", None) is not None:
        module.bias = nn.Parameter(module.bias.detach()[kept].contiguous())


def _save_cut(work: Workshop, node: Node, folder: Path, model: nn.Module) -> None:
    """Save what was cut; train half of them afterwards."""
    if random.Random(node.seed + 2).random() < 0.5:
        rough = folder.with_name(folder.name + ".cut")
        model.save_pretrained(rough)
        model = work.load(str(rough))
        work.train(model, node, steps=work.plan.short_steps)
        for file in rough.iterdir():
            file.unlink()
        rough.rmdir()
    work.save(model, folder, node)
