"""Where a family is made: its folder, its plan, its lessons; how models are read, trained and saved in it."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer, models, pre_tokenizers
from torch import nn
from transformers import PreTrainedTokenizerFast

from benchmarks.zoo.corpora import VOCABULARY
from benchmarks.zoo.folders import DTYPES
from benchmarks.zoo.plan import Node
from benchmarks.zoo.tools.architectures import Lessons, Objective, load
from benchmarks.zoo.tools.draws import FamilyPlan
from benchmarks.zoo.training import descend

SHARD = "200KB"
"""Size at which models are split into several files."""


@dataclass(frozen=True, slots=True)
class Workshop:
    """Everything that a maker needs.

    The working folder is that of the zoo, so that the ids are paths: tools write paths into what they make.

    Attributes:
        plan: What is made.
        lessons: What is trained on.
    """

    plan: FamilyPlan
    lessons: Lessons

    def parents(self, node: Node) -> list[str]:
        """Return the ids of a model's parents, which are their folders."""
        return [self.plan.nodes[place].id for place in node.parents]

    def paths(self, node: Node) -> list[str]:
        """Return whole paths of a model's parents: mergekit looks ids up on the Hub."""
        return [str(Path(name).resolve()) for name in self.parents(node)]

    def load(self, name: str, dtype: torch.dtype = torch.float32) -> nn.Module:
        """Read a model of the family, for training."""
        return load(self.plan.architecture, Path(name), dtype)

    def train(self, model: nn.Module, node: Node, *, objective: Objective | None = None, steps: int = 0) -> None:
        """Train what requires a gradient, by the node's recipe."""
        params = [value for value in model.parameters() if value.requires_grad]
        model.train()
        loss = objective or self.lessons.objective(model, node.corpus, node.seed)
        descend(params, loss, node.optimizer, node.rate, steps or node.steps)
        model.eval()

    def save(self, model: nn.Module, folder: Path, node: Node, **options: object) -> None:
        """Save a model in the type of the node, half of those that are not float32 in several files."""
        rng = random.Random(node.seed + 1)
        if node.dtype != "F32" and rng.random() < 0.5:
            options["max_shard_size"] = SHARD
        model.to(DTYPES[node.dtype]).save_pretrained(folder, **options)
        self.save_tokenizer(folder)

    def save_tokenizer(self, folder: Path) -> None:
        """Save a tokenizer of words that are numbers, where the architecture reads words."""
        if self.plan.architecture in ("vit", "unet", "whisper"):
            return
        words = Tokenizer(models.WordLevel({f"w{number}": number for number in range(VOCABULARY)}, unk_token="w3"))
        words.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
        PreTrainedTokenizerFast(
            tokenizer_object=words, pad_token="w0", bos_token="w1", eos_token="w2", unk_token="w3", mask_token="w255",
            model_max_length=128,
        ).save_pretrained(folder)  # fmt: skip


def forget_paths(folder: Path) -> None:
    """Turn the paths that tools wrote into ids, as they stand in what people upload."""
    for file in folder.rglob("*"):
        if file.suffix in (".json", ".md", ".yml"):
            text = file.read_text(encoding="utf-8")
            file.write_text(text.replace(f"{Path.cwd()}/", ""), encoding="utf-8")


Maker = Callable[[Workshop, Node, Path], dict[str, Any]]
"""Makes a model in a folder, and returns what was drawn meanwhile."""
