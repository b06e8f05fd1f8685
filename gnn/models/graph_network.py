"""The graph network: a model attends to labelled models around it, each by its relation, age, words and label.

Every example is one target with at most some forty neighbours, drawn from before its moment: authors' latest,
siblings', namesakes' … One attention layer over these typed edges (PyTorch Geometric's TransformerConv), because a
second hop over declared lineage is already a relation of its own (siblings, family).
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn
from torch_geometric.nn import TransformerConv

from atlas_db.core.arrays import Floats, Integers, Ragged
from gnn.dataset.hashed_tokens import BUCKETS, Known
from gnn.features.neighbours import Examples

WIDTH = 64


HEADS = 4


BATCH = 2048


HIDDEN = 0.5
"""Share of words hidden while learning; tried on February and March 2024: none, .3, .5 (.698, .701, .703 right)."""


WIDE = 256
"""Values up to which words also speak for values directly, as in a linear model."""


REACH = 30.0
"""Scale of that linear part: its words are averaged, their weights start at zero."""


class Net(nn.Module):
    """Words and labelled neighbours of a model to log-odds over values.

    Args:
        values: Number of values.
        kinds: Number of kinds of neighbours.

    Shapes:
        words (w,) with offsets (q,); neighbours' words (v,) with offsets (e,); labels, kinds, ages (e,); targets (e,):
        log-odds (q, values).
    """

    def __init__(self, values: int, kinds: int) -> None:
        super().__init__()
        self.words = nn.EmbeddingBag(BUCKETS, WIDTH, mode="mean", padding_idx=0)
        self.wide = nn.EmbeddingBag(BUCKETS, values, mode="mean", padding_idx=0) if values <= WIDE else None
        self.label = nn.Embedding(values, WIDTH)
        self.kind = nn.Embedding(kinds, WIDTH)
        self.age = nn.Linear(2, WIDTH)
        self.attend = TransformerConv(
            WIDTH, WIDTH // HEADS, heads=HEADS, edge_dim=WIDTH, root_weight=False, dropout=0.1
        )
        self.norm = nn.LayerNorm(2 * WIDTH)
        self.out = nn.Sequential(
            nn.Linear(2 * WIDTH, 2 * WIDTH), nn.GELU(), nn.Dropout(0.2), nn.Linear(2 * WIDTH, values)
        )
        if self.wide is not None:
            nn.init.zeros_(self.wide.weight)
        nn.init.normal_(self.words.weight, std=0.1)

    @property
    def device(self) -> torch.device:
        """Where its weights lie, and its inputs must."""
        return self.label.weight.device

    def forward(
        self, words: Tensor, offsets: Tensor, near: Tensor, near_offsets: Tensor, labels: Tensor, kinds: Tensor,
        ages: Tensor, targets: Tensor,
    ) -> Tensor:  # fmt: skip
        """Return log-odds."""
        own = self.words(words, offsets)
        theirs = self.words(near, near_offsets) + self.label(labels)
        edge = self.kind(kinds) + self.age(torch.stack((ages, torch.exp(-4 * ages)), 1))
        index = torch.stack((torch.arange(len(labels), device=labels.device), targets))
        heard = self.attend((theirs + edge, own), index, edge_attr=edge + self.label(labels))
        deep: Tensor = self.out(self.norm(torch.cat((own, heard), 1)))
        return deep if self.wide is None else deep + REACH * self.wide(words, offsets)


def accelerator() -> torch.device:
    """Return the graphics processor where there is one, else the processor."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


class Feeder:
    """Turns examples into the network's inputs.

    Args:
        known: Words of every model.
        told: Words of what models state.
    """

    def __init__(self, known: Known, told: Ragged) -> None:
        self._known = known
        self._told = told

    def inputs(
        self, examples: Examples, chosen: Integers, rng: np.random.Generator | None = None
    ) -> tuple[Tensor, ...]:
        """Return the inputs of `Net.forward` for some examples; with a generator, half of the words are hidden."""
        rows = examples.rows[chosen]
        shown = examples.told[chosen]
        first, second = self._known.some(rows), self._told.some(np.where(shown, rows, -1))
        order = np.argsort(np.concatenate((first.rows, second.rows)), kind="stable")
        words = np.concatenate((first.values, second.values))[order]
        offsets = first.starts[:-1] + second.starts[:-1]
        near = examples.near[chosen]
        targets, column = np.nonzero(near >= 0)
        others = near[targets, column]
        near_words = self._known.some(others)
        theirs = near_words.values
        if rng is not None:
            words, theirs = (np.where(rng.random(len(part)) < HIDDEN, 0, part) for part in (words, theirs))
        return tuple(
            torch.from_numpy(part)
            for part in (
                words, offsets, theirs, near_words.starts[:-1], examples.labels[chosen][targets, column],
                examples.kinds[column], examples.ages[chosen][targets, column].astype(np.float32), targets,
            )
        )  # fmt: skip


def fit(net: Net, feeder: Feeder, examples: Examples, values: Integers, *, epochs: int, rate: float, seed: int) -> None:
    """Train a network in place.

    Args:
        net: The network.
        feeder: Makes its inputs.
        examples: Targets.
        values: What each declares, shape (q,).
        epochs: Passes.
        rate: Highest learning rate; it rises for a tenth of the steps, then falls to zero.
        seed: Of the order.
    """
    torch.manual_seed(seed)
    rng = np.random.default_rng(seed)
    steps = epochs * -(-len(examples) // BATCH)
    optimizer = torch.optim.AdamW(net.parameters(), rate, weight_decay=0.01)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, rate, total_steps=steps, pct_start=0.1)
    net.train()
    for _ in range(epochs):
        order = rng.permutation(len(examples))
        for start in range(0, len(order), BATCH):
            chosen = order[start : start + BATCH]
            inputs = (part.to(net.device) for part in feeder.inputs(examples, chosen, rng))
            loss = nn.functional.cross_entropy(net(*inputs), torch.from_numpy(values[chosen]).to(net.device))
            optimizer.zero_grad(set_to_none=True)
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            schedule.step()


@torch.no_grad()
def predict(net: Net, feeder: Feeder, examples: Examples) -> Floats:
    """Return log-probabilities, shape (q, values)."""
    net.eval()
    parts = []
    for start in range(0, len(examples), BATCH):
        inputs = feeder.inputs(examples, np.arange(start, min(start + BATCH, len(examples))))
        parts.append(net(*(part.to(net.device) for part in inputs)).log_softmax(1).cpu().numpy())
    return np.concatenate(parts) if parts else np.empty((0, net.label.num_embeddings), np.float32)
