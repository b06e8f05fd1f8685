"""A model and the models near it, made of numbers alone."""

from __future__ import annotations

import numpy as np

from ingest.weights.merges.near_models import NearModels


def near_models(target: np.ndarray, models: list[np.ndarray], tensors: int = 4) -> NearModels:
    """Rows are the places of the models; all tensors have the same size."""
    size = len(target) // tensors
    error = np.full(len(target), 1e-8)
    starts, sizes = np.arange(tensors, dtype=np.int64) * size, np.full(tensors, size, np.int64)
    values = np.array(models, np.float32)
    return NearModels(
        list(range(len(models))), values, target.astype(np.float32), error, np.full(tensors, 1e-16), starts, sizes, ""
    )


def related(count: int, elements: int = 4096, seed: int = 1) -> list[np.ndarray]:
    """Return a base and models trained from it."""
    rng = np.random.default_rng(seed)
    base = rng.normal(size=elements) * 0.05
    return [base, *(base + rng.normal(size=elements) * 0.005 for _ in range(count))]
