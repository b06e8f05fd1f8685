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

from atlas_db.core.arrays import CsrLists, Floats, Integers
from gnn.dataset.hashed_tokens import BUCKETS, TokenTable
from gnn.features.neighbours import NeighbourSample

EMBEDDING_SIZE = 64


HEADS = 4


BATCH_SIZE = 2048


TOKEN_DROPOUT = 0.5
"""Share of words hidden while learning; tried on February and March 2024: none, .3, .5 (.698, .701, .703 right)."""


MAX_LINEAR_VALUES = 256
"""Values up to which words also speak for values directly, as in a linear model."""


LINEAR_SCALE = 30.0
"""Scale of that linear part: its words are averaged, their weights start at zero."""


class GraphNetwork(nn.Module):
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
        self.token_embedding = nn.EmbeddingBag(BUCKETS, EMBEDDING_SIZE, mode="mean", padding_idx=0)
        self.token_weights = (
            nn.EmbeddingBag(BUCKETS, values, mode="mean", padding_idx=0) if values <= MAX_LINEAR_VALUES else None
        )
        self.label_embedding = nn.Embedding(values, EMBEDDING_SIZE)
        self.relation_embedding = nn.Embedding(kinds, EMBEDDING_SIZE)
        self.age_projection = nn.Linear(2, EMBEDDING_SIZE)
        self.attention = TransformerConv(
            EMBEDDING_SIZE,
            EMBEDDING_SIZE // HEADS,
            heads=HEADS,
            edge_dim=EMBEDDING_SIZE,
            root_weight=False,
            dropout=0.1,
        )
        self.norm = nn.LayerNorm(2 * EMBEDDING_SIZE)
        self.head = nn.Sequential(
            nn.Linear(2 * EMBEDDING_SIZE, 2 * EMBEDDING_SIZE),
            nn.GELU(),
            nn.Dropout(0.2),
            nn.Linear(2 * EMBEDDING_SIZE, values),
        )
        if self.token_weights is not None:
            nn.init.zeros_(self.token_weights.weight)
        nn.init.normal_(self.token_embedding.weight, std=0.1)

    @property
    def device(self) -> torch.device:
        """Where its weights lie, and its inputs must."""
        return self.label_embedding.weight.device

    def forward(
        self, tokens: Tensor, offsets: Tensor, neighbour_tokens: Tensor, neighbour_offsets: Tensor, labels: Tensor,
        kinds: Tensor, ages: Tensor, targets: Tensor,
    ) -> Tensor:  # fmt: skip
        """Return log-odds."""
        own = self.token_embedding(tokens, offsets)
        neighbour_features = self.token_embedding(neighbour_tokens, neighbour_offsets) + self.label_embedding(labels)
        edge_features = self.relation_embedding(kinds) + self.age_projection(
            torch.stack((ages, torch.exp(-4 * ages)), 1)
        )
        edge_index = torch.stack((torch.arange(len(labels), device=labels.device), targets))
        attended = self.attention(
            (neighbour_features + edge_features, own),
            edge_index,
            edge_attr=edge_features + self.label_embedding(labels),
        )
        logits: Tensor = self.head(self.norm(torch.cat((own, attended), 1)))
        return logits if self.token_weights is None else logits + LINEAR_SCALE * self.token_weights(tokens, offsets)


def accelerator() -> torch.device:
    """Return the graphics processor where there is one, else the processor."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


class Collator:
    """Turns examples into the network's inputs.

    Args:
        token_table: Words of every model.
        metadata_tokens: Words of what models state.
    """

    def __init__(self, token_table: TokenTable, metadata_tokens: CsrLists) -> None:
        self._token_table = token_table
        self._metadata_tokens = metadata_tokens

    def collate(
        self, examples: NeighbourSample, chosen: Integers, rng: np.random.Generator | None = None
    ) -> tuple[Tensor, ...]:
        """Return the inputs of `Net.forward` for some examples; with a generator, half of the words are hidden."""
        rows = examples.rows[chosen]
        shown = examples.metadata_visible[chosen]
        own_tokens, metadata_tokens = (
            self._token_table.take(rows),
            self._metadata_tokens.take(np.where(shown, rows, -1)),
        )
        order = np.argsort(np.concatenate((own_tokens.rows, metadata_tokens.rows)), kind="stable")
        tokens = np.concatenate((own_tokens.values, metadata_tokens.values))[order]
        offsets = own_tokens.indptr[:-1] + metadata_tokens.indptr[:-1]
        neighbours = examples.neighbours[chosen]
        targets, column = np.nonzero(neighbours >= 0)
        sources = neighbours[targets, column]
        source_tokens = self._token_table.take(sources)
        neighbour_tokens = source_tokens.values
        if rng is not None:
            tokens, neighbour_tokens = (
                np.where(rng.random(len(part)) < TOKEN_DROPOUT, 0, part) for part in (tokens, neighbour_tokens)
            )
        return tuple(
            torch.from_numpy(part)
            for part in (
                tokens, offsets, neighbour_tokens, source_tokens.indptr[:-1], examples.labels[chosen][targets, column],
                examples.kinds[column], examples.ages[chosen][targets, column].astype(np.float32), targets,
            )
        )  # fmt: skip


def fit_network(
    network: GraphNetwork,
    collator: Collator,
    examples: NeighbourSample,
    values: Integers,
    *,
    epochs: int,
    learning_rate: float,
    seed: int,
) -> None:
    """Train a network in place.

    Args:
        network: The network.
        collator: Makes its inputs.
        examples: Targets.
        values: What each declares, shape (q,).
        epochs: Passes.
        learning_rate: Highest learning rate; it rises for a tenth of the steps, then falls to zero.
        seed: Of the order.
    """
    torch.manual_seed(seed)
    rng = np.random.default_rng(seed)
    steps = epochs * -(-len(examples) // BATCH_SIZE)
    optimizer = torch.optim.AdamW(network.parameters(), learning_rate, weight_decay=0.01)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, learning_rate, total_steps=steps, pct_start=0.1)
    network.train()
    for _ in range(epochs):
        order = rng.permutation(len(examples))
        for start in range(0, len(order), BATCH_SIZE):
            chosen = order[start : start + BATCH_SIZE]
            inputs = (part.to(network.device) for part in collator.collate(examples, chosen, rng))
            loss = nn.functional.cross_entropy(network(*inputs), torch.from_numpy(values[chosen]).to(network.device))
            optimizer.zero_grad(set_to_none=True)
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            schedule.step()


@torch.no_grad()
def predict_log_proba(network: GraphNetwork, collator: Collator, examples: NeighbourSample) -> Floats:
    """Return log-probabilities, shape (q, values)."""
    network.eval()
    parts = []
    for start in range(0, len(examples), BATCH_SIZE):
        inputs = collator.collate(examples, np.arange(start, min(start + BATCH_SIZE, len(examples))))
        parts.append(network(*(part.to(network.device) for part in inputs)).log_softmax(1).cpu().numpy())
    return np.concatenate(parts) if parts else np.empty((0, network.label_embedding.num_embeddings), np.float32)
