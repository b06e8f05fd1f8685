"""Digests of layers and of experts, equal for equal ones wherever they stand."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Collection, Sequence
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
_EXPERT = re.compile(r"^(?P<stem>(?:.*?\.)??)experts\.(?P<number>\d+)\.(?P<rest>.+)$")
_TYPES = ("BF16", "F16")


class Layer(NamedTuple):
    """A layer of a model.

    Attributes:
        stack: Name of the stack, as `layers.` or `encoder.block.`.
        number: Its place, from 0.
    """

    stack: str
    number: int


class Block(NamedTuple):
    """A part of a layer: one expert, the feed-forward part of a layer without experts, or all the rest.

    Attributes:
        layer: The layer.
        part: Number of the expert from 0, `FEED_FORWARD` or `TRUNK`.
    """

    layer: Layer
    part: int


FEED_FORWARD, TRUNK = -1, -2
"""Parts of a layer that are no experts."""


class LayerDigests(NamedTuple):
    """Digests of one layer, or of a part of it.

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
    return {layer: _digests(layer.stack, sorted(matrices)) for layer, matrices in parts.items()}


def expert_stems(names: Collection[str]) -> frozenset[str]:
    """Return what names of tensors have before `experts` within their layers, as `mlp.`; empty without experts."""
    found = (_EXPERT.match(inner[1]) for name in names if (inner := layer_of(name)) is not None)
    return frozenset(match["stem"] for match in found if match)


def block_digests(model: OpenModel, stems: Collection[str]) -> dict[Block, LayerDigests]:
    """Return the digests of a model's experts, feed-forward parts and of the rest of its layers.

    An expert's digest is that of the feed-forward part of a layer that it is a copy of. What stands next to experts is
    in none.

    Args:
        model: Its weights.
        stems: What names have before `experts` in the models that have experts, as `mlp.`.

    Raises:
        WeightsError: A file ends before what its header promised.
    """
    parts: dict[Block, list[tuple[str, Matrix]]] = defaultdict(list)
    for matrix in sampled_matrices(model.matrices):
        if (found := layer_of(matrix.name)) is None:
            continue
        layer, rest = found
        stem = next((each for each in stems if rest.startswith(each)), None)
        if (expert := _EXPERT.match(rest)) is not None:
            parts[Block(layer, int(expert["number"]))].append((expert["stem"] + expert["rest"], matrix))
        else:
            parts[Block(layer, TRUNK if stem is None else FEED_FORWARD)].append((rest, matrix))
    for layer in {block.layer for block in parts if block.part >= 0}:
        parts.pop(Block(layer, FEED_FORWARD), None)  # the router, and experts that all inputs share
    return {block: _digests(block.layer.stack, sorted(matrices)) for block, matrices in parts.items()}


def _digests(stack: str, matrices: Sequence[tuple[str, Matrix]]) -> LayerDigests:
    values = [_few_values(matrix, f"{stack}0.{rest}") for rest, matrix in matrices]
    names = "\n".join(f"{stack}{rest}:{matrix.rows}x{matrix.columns}" for rest, matrix in matrices).encode()
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
