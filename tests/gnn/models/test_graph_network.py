"""Tests of `gnn/models/graph_network.py`."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch.optim.lr_scheduler import OneCycleLR

from atlas_db.core.arrays import csr_lists
from gnn.features.neighbours import NeighbourSample
from gnn.models.graph_network import Collator, GraphNetwork, accelerator, fit_network, warmup_share
from gnn.parameters.model_parameters import MODEL


def test_the_network_is_trained_on_the_device_of_its_weights() -> None:
    """On a device without memory, any step that mixes two devices fails; numbers are not computed."""
    rng = np.random.default_rng(1)
    observed = csr_lists(40, np.repeat(np.arange(40), 3), rng.integers(1, 50, 120))
    near, labels, ages = rng.integers(-1, 40, (40, 4)), rng.integers(0, 5, (40, 4)), rng.random((40, 4), np.float32)
    examples = NeighbourSample(np.arange(40), np.ones(40, bool), near, labels, ages, np.array([0, 0, 1, 2]))
    net = GraphNetwork(5, 3).to("meta")
    fit_network(
        net, Collator(observed, observed), examples, rng.integers(0, 5, 40), epochs=1, learning_rate=1e-3, seed=1
    )
    assert net.device.type == "meta" and accelerator().type in ("cpu", "cuda")


@pytest.mark.parametrize("steps", [1, 2, 9, 10, 11, 20, 400])
def test_the_learning_rate_is_defined_at_every_number_of_steps(steps: int) -> None:
    """A warm-up of one step, as ten steps have, made PyTorch's one-cycle schedule divide by zero."""
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], 0.1)
    schedule = OneCycleLR(optimizer, 0.1, total_steps=steps, pct_start=warmup_share(steps))
    rates = []
    for _ in range(steps):
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        schedule.step()
    assert all(0 < rate <= 0.1 for rate in rates)
    assert warmup_share(steps) == (0.2 if steps == 10 else 0.1)


@pytest.mark.slow
def test_a_network_is_trained_in_ten_steps() -> None:
    """Ten steps are what two passes over 8,193 to 10,240 declarations take."""
    rng = np.random.default_rng(1)
    rows = 4 * MODEL.network.batch_size + 1
    tokens = csr_lists(rows, np.arange(rows), rng.integers(1, 50, rows))
    none = np.full((rows, 1), -1)
    examples = NeighbourSample(
        np.arange(rows), np.ones(rows, bool), none, np.zeros_like(none), np.zeros((rows, 1), np.float32), np.array([0])
    )
    network = GraphNetwork(2, 1).to("meta")
    fit_network(
        network, Collator(tokens, tokens), examples, rng.integers(0, 2, rows), epochs=2, learning_rate=1e-3, seed=1
    )
