"""Digests of layers, equal for equal layers wherever they stand in a stack of layers."""

from __future__ import annotations

import re
from collections import defaultdict
from hashlib import blake2b
from typing import NamedTuple

import numpy as np

from atlas_db.core.arrays import Floats
from ingest.formats.matrix import RUN_LENGTH, Matrix
from ingest.formats.open_model import OpenModel
from ingest.weights.fingerprints.sampling import sample_positions, sampled_matrices
from ingest.weights.parameters.sample_parameters import SAMPLE
from ingest.weights.samples.aligned_samples import round_to_dtype

_LAYER = re.compile(r"^(?P<stack>(?:.*?\.)??)(?P<number>\d+)\.(?P<rest>.+)$")
_TYPES = ("BF16", "F16")


class Layer(NamedTuple):
    """A layer of a model.

    Attributes:
        stack: Name of the stack, as `layers.` or `encoder.block.`.
        number: Its place, from 0.
    """

    stack: str
    number: int


class LayerDigests(NamedTuple):
    """Digests of one layer.

    Attributes:
        rounded: Digests of its weights, rounded to bfloat16 and to float16: a cast changes one of them at most.
    """

    rounded: tuple[bytes, ...]


def layer_of(name: str) -> tuple[Layer, str] | None:
    """Return the layer that a tensor belongs to, and its name within; None outside of layers."""
    found = _LAYER.match(name)
    return (Layer(found["stack"], int(found["number"])), found["rest"]) if found else None


def layer_digests(model: OpenModel) -> dict[Layer, LayerDigests]:
    """Return the digests of a model's layers, each from a few positions of each of its matrices.

    Positions are chosen by the name of the tensor in layer 0, so they are the same in all layers.

    Args:
        model: Its weights.

    Raises:
        WeightsError: A file ends before what its header promised.
    """
    parts: dict[Layer, list[tuple[str, Matrix]]] = defaultdict(list)
    for matrix in sampled_matrices(model.matrices):
        if (found := layer_of(matrix.name)) is not None:
            parts[found[0]].append((found[1], matrix))
    return {layer: _digests(layer, sorted(matrices)) for layer, matrices in parts.items()}


def _digests(layer: Layer, matrices: list[tuple[str, Matrix]]) -> LayerDigests:
    values = [_few_values(matrix, f"{layer.stack}0.{rest}") for rest, matrix in matrices]
    names = "\n".join(f"{layer.stack}{rest}:{matrix.rows}x{matrix.columns}" for rest, matrix in matrices).encode()
    out = []
    for dtype in _TYPES:
        digest = blake2b(names, digest_size=16)
        for each in values:
            digest.update(round_to_dtype(each, dtype).tobytes())
        out.append(digest.digest())
    return LayerDigests(tuple(out))


def _few_values(matrix: Matrix, name: str) -> Floats:
    """Return the elements at a few positions, those of the tensor with another name, shape (positions, 32)."""
    place = sample_positions(matrix._replace(name=name), SAMPLE.layer_positions)
    rows, inverse = np.unique(place.rows, return_inverse=True)
    read = matrix.read(rows)
    return np.asarray(read[inverse[:, None], place.columns[:, None] + np.arange(RUN_LENGTH)], np.float32)
