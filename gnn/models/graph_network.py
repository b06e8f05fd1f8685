"""The graph network: attention from a model to labelled neighbours, by relation, age, tokens and label.

An example is one target model with at most some forty neighbours, which were declared before its cutoff. They are the
newest of the same author, siblings, and models of the same name. One attention layer runs over these typed edges
(`TransformerConv` of PyTorch Geometric; Shi et al. 2021). There is no second layer, because two steps of declared
lineage are relations of their own (siblings, family).
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn
from torch.optim.lr_scheduler import OneCycleLR
from torch_geometric.nn import TransformerConv

from atlas_db.core.arrays import CsrLists, Floats, Integers
from gnn.dataset.hashed_tokens import TokenTable
from gnn.features.neighbours import NeighbourSample
from gnn.parameters.model_parameters import MODEL
from gnn.parameters.token_parameters import TOKEN

_NETWORK = MODEL.network


class GraphNetwork(nn.Module):
    """Log-odds over values from the tokens and the labelled neighbours of a model.

    Args:
        values: Number of values.
        kinds: Number of relations between a model and its neighbours.

    Shapes:
        - tokens: :math:`(t)` with offsets :math:`(q)`, as `EmbeddingBag` takes them
        - neighbour_tokens: :math:`(s)` with neighbour_offsets :math:`(e)`
        - labels, kinds, ages, targets: :math:`(e)`
        - output: log-odds :math:`(q, values)`

        with q targets and e edges from neighbours to targets.
    """

    def __init__(self, values: int, kinds: int) -> None:
        super().__init__()
        size, heads = _NETWORK.embedding_size, _NETWORK.attention_heads
        has_linear = values <= _NETWORK.max_linear_values
        self.token_embedding = nn.EmbeddingBag(TOKEN.buckets, size, mode="mean", padding_idx=0)
        # As in Wide & Deep (Cheng et al. 2016): a linear part beside the deep one.
        self.token_weights = nn.EmbeddingBag(TOKEN.buckets, values, mode="mean", padding_idx=0) if has_linear else None
        self.label_embedding = nn.Embedding(values, size)
        self.relation_embedding = nn.Embedding(kinds, size)
        self.age_projection = nn.Linear(2, size)
        self.attention = TransformerConv(
            size, size // heads, heads=heads, edge_dim=size, root_weight=False, dropout=_NETWORK.attention_dropout
        )
        self.norm = nn.LayerNorm(2 * size)
        self.head = nn.Sequential(
            nn.Linear(2 * size, 2 * size), nn.GELU(), nn.Dropout(_NETWORK.head_dropout), nn.Linear(2 * size, values)
        )
        if self.token_weights is not None:
            nn.init.zeros_(self.token_weights.weight)
        nn.init.normal_(self.token_embedding.weight, std=0.1)

    @property
    def device(self) -> torch.device:
        """The device of its weights, on which its inputs must be."""
        return self.label_embedding.weight.device

    def forward(
        self, tokens: Tensor, offsets: Tensor, neighbour_tokens: Tensor, neighbour_offsets: Tensor, labels: Tensor,
        kinds: Tensor, ages: Tensor, targets: Tensor,
    ) -> Tensor:  # fmt: skip
        """Return log-odds, shape (q, values)."""
        own = self.token_embedding(tokens, offsets)
        neighbour_features = self.token_embedding(neighbour_tokens, neighbour_offsets) + self.label_embedding(labels)
        age_features = torch.stack((ages, torch.exp(-_NETWORK.age_decay * ages)), 1)
        edge_features = self.relation_embedding(kinds) + self.age_projection(age_features)
        edge_index = torch.stack((torch.arange(len(labels), device=labels.device), targets))
        attended = self.attention(
            (neighbour_features + edge_features, own),
            edge_index,
            edge_attr=edge_features + self.label_embedding(labels),
        )
        logits: Tensor = self.head(self.norm(torch.cat((own, attended), 1)))
        if self.token_weights is not None:
            logits = logits + _NETWORK.linear_scale * self.token_weights(tokens, offsets)
        return logits


def accelerator() -> torch.device:
    """Return the graphics processor where there is one, else the processor."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


class Collator:
    """Turns examples into batches of tensors, as the inputs of `GraphNetwork.forward`.

    Args:
        token_table: Name tokens of every model.
        metadata_tokens: Metadata tokens of every model.
    """

    def __init__(self, token_table: TokenTable, metadata_tokens: CsrLists) -> None:
        self._token_table = token_table
        self._metadata_tokens = metadata_tokens

    def collate(
        self, examples: NeighbourSample, chosen: Integers, rng: np.random.Generator | None = None
    ) -> tuple[Tensor, ...]:
        """Return the inputs of `GraphNetwork.forward` for some examples.

        Args:
            examples: Targets and their neighbours.
            chosen: Which of them, shape (q,).
            rng: Generator of the token dropout; None for no dropout.
        """
        rows = examples.rows[chosen]
        shown = examples.metadata_visible[chosen]
        own_tokens = self._token_table.take(rows)
        metadata_tokens = self._metadata_tokens.take(np.where(shown, rows, -1))
        order = np.argsort(np.concatenate((own_tokens.rows, metadata_tokens.rows)), kind="stable")
        tokens = np.concatenate((own_tokens.values, metadata_tokens.values))[order]
        offsets = own_tokens.indptr[:-1] + metadata_tokens.indptr[:-1]
        neighbours = examples.neighbours[chosen]
        targets, column = np.nonzero(neighbours >= 0)
        source_tokens = self._token_table.take(neighbours[targets, column])
        neighbour_tokens = source_tokens.values
        if rng is not None:
            tokens, neighbour_tokens = (
                np.where(rng.random(len(part)) < _NETWORK.token_dropout, 0, part) for part in (tokens, neighbour_tokens)
            )
        return tuple(
            torch.from_numpy(part)
            for part in (
                tokens, offsets, neighbour_tokens, source_tokens.indptr[:-1],
                examples.labels[chosen][targets, column], examples.kinds[column],
                examples.ages[chosen][targets, column].astype(np.float32), targets,
            )
        )  # fmt: skip


def fit_network(
    network: GraphNetwork, collator: Collator, examples: NeighbourSample, values: Integers, *, epochs: int,
    learning_rate: float, seed: int,
) -> None:  # fmt: skip
    """Train a network in place with AdamW and a one-cycle learning rate (Smith and Topin 2019).

    Args:
        network: The network.
        collator: Makes its inputs.
        examples: Targets.
        values: Declared value of each, shape (q,).
        epochs: Passes over the targets.
        learning_rate: Highest learning rate; it rises in the warm-up, then falls to zero.
        seed: Seed of the order and of the dropout.
    """
    torch.manual_seed(seed)
    rng = np.random.default_rng(seed)
    steps = epochs * -(-len(examples) // _NETWORK.batch_size)
    optimizer = torch.optim.AdamW(network.parameters(), learning_rate, weight_decay=_NETWORK.weight_decay)
    schedule = OneCycleLR(optimizer, learning_rate, total_steps=steps, pct_start=warmup_share(steps))
    network.train()
    for _ in range(epochs):
        order = rng.permutation(len(examples))
        for start in range(0, len(order), _NETWORK.batch_size):
            chosen = order[start : start + _NETWORK.batch_size]
            inputs = (part.to(network.device) for part in collator.collate(examples, chosen, rng))
            target = torch.from_numpy(values[chosen]).to(network.device)
            loss = nn.functional.cross_entropy(network(*inputs), target)
            optimizer.zero_grad(set_to_none=True)
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            schedule.step()


def warmup_share(steps: int) -> float:
    """Return the share of the steps in which the learning rate rises.

    `OneCycleLR` counts steps from zero: a warm-up of exactly one step has no length, and it divides by that length.
    Such a warm-up gets a second step.

    Args:
        steps: Steps of the training.
    """
    share = _NETWORK.warmup_share
    return 2 * share if float(share * steps) == 1.0 else share


@torch.no_grad()
def predict_log_proba(network: GraphNetwork, collator: Collator, examples: NeighbourSample) -> Floats:
    """Return the log-probability of each value for each example, shape (q, values)."""
    network.eval()
    parts = []
    for start in range(0, len(examples), _NETWORK.batch_size):
        chosen = np.arange(start, min(start + _NETWORK.batch_size, len(examples)))
        inputs = (part.to(network.device) for part in collator.collate(examples, chosen))
        parts.append(network(*inputs).log_softmax(1).cpu().numpy())
    return np.concatenate(parts) if parts else np.empty((0, network.label_embedding.num_embeddings), np.float32)
