"""Fingerprint of a model: sampled elements, moments and signatures, at most 32 KB whatever the size of the model."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from hashlib import blake2b

import numpy as np
import numpy.typing as npt

from atlas_db.core.arrays import Doubles, Floats, Keys
from atlas_db.core.hashing import name_hash
from atlas_db.core.safe_text import cut
from ingest.formats.adapter_layout import untraced_kind
from ingest.formats.matrix import RUN_LENGTH, Matrix
from ingest.formats.open_model import OpenModel
from ingest.formats.tensor_names import is_vocabulary, without_layer
from ingest.weights.fingerprints.sampling import (
    allocate_positions,
    hashed_row_order,
    sample_positions,
    sampled_matrices,
)
from ingest.weights.parameters.sample_parameters import SAMPLE

VERSION = "fp@8"
MOMENTS = ("mean", "std", "kurtosis", "absmax", "zeros")
"""Columns of `Fingerprint.moments`."""


@dataclass(slots=True)
class Sample:
    """Elements of a model at n positions, which are the same in every model of its architecture.

    Attributes:
        keys: Id of each position, shape (n,), uint64.
        tensor: Index into `names` of each position, shape (n,), uint16.
        values: Elements, shape (n, 32), float32; NaN as found.
        row_max: Largest magnitude of the position's row, shape (n,).
        block_max: Largest magnitude of the 128 columns around it, shape (n,).
        names: Canonical names of the tensors.
        dtypes: Type that each tensor is stored in.
    """

    keys: Keys
    tensor: npt.NDArray[np.uint16]
    values: Floats
    row_max: Floats
    block_max: Floats
    names: list[str]
    dtypes: list[str]

    def restricted_to(self, names: Collection[str]) -> Sample:
        """Return the part of a sample that lies in some tensors."""
        kept = np.array([name in names for name in self.names], bool)
        if kept.all():
            return self
        at = kept[self.tensor] if len(kept) else np.zeros(0, bool)
        place = (np.cumsum(kept) - 1).astype(np.uint16)
        return Sample(
            self.keys[at], place[self.tensor[at]], self.values[at], self.row_max[at], self.block_max[at],
            [name for name in self.names if name in names],
            [dtype for name, dtype in zip(self.names, self.dtypes, strict=True) if name in names],
        )  # fmt: skip


@dataclass(slots=True)
class Fingerprint:
    """Summary of a model's weights, at most 32 KB.

    Attributes:
        id: Hub id.
        created_at: Date as stated, or empty.
        location: Where the weights lie, or empty.
        adapter: True for an adapter stored alone.
        dtype: Type of most elements.
        elements: Number of elements of its blocks and its input embedding, without heads.
        size: Bytes of the weight files.
        family_key: Hash of the names and shapes of the tensors in its blocks: equal within an architecture.
        weights_hash: Hash of names, shapes and sample: equal for copies, however they are sharded.
        components: Such a hash of each further component of a pipeline; empty of one that was not read.
        sample: The sample.
        moment_names: Names of the tensors of `moments`.
        moments: Shape (tensors, 5): mean, standard deviation, kurtosis, largest magnitude, share of zeros.
        declared_base: Base model as an adapter's configuration names it, or empty.
        rank: Rank of an adapter, or 0.
        problems: Reasons why parts were left out.
        revision: Digest of the files that it was computed from, or empty.
        container: Format of these files: `safetensors`, `gguf` or `onnx`.
        version: Version of this definition.
    """

    id: str
    created_at: str
    location: str
    adapter: bool
    dtype: str
    elements: int
    size: int
    family_key: str
    weights_hash: str
    sample: Sample
    moment_names: list[str]
    moments: Floats
    components: dict[str, str] = field(default_factory=dict)
    declared_base: str = ""
    rank: int = 0
    problems: list[str] = field(default_factory=list)
    revision: str = ""
    container: str = "safetensors"
    version: str = VERSION


def compute_fingerprint(model: OpenModel, model_id: str, created_at: str = "") -> Fingerprint:
    """Compute the fingerprint of an open model.

    Args:
        model: Its weights.
        model_id: Its id.
        created_at: Its date, or empty.

    Raises:
        WeightsError: A file ends before what its header promised.
    """
    names, moments, damaged = take_moments(model)
    sample = take_sample(model, SAMPLE.fingerprint_positions)
    components = {
        name: "" if matrices is None else _hash_matrices(matrices, _sample_of(matrices, SAMPLE.fingerprint_positions))
        for name, matrices in sorted(model.components.items())
    }
    problems = list(model.problems)
    if damaged or not np.isfinite(sample.values).all():
        where = f" in {', '.join(map(cut, damaged[:3]))}" if damaged else ""
        problems.append(f"holds values that are no numbers (NaN or infinity){where}")
    if model.adapter is not None and (kind := untraced_kind(model.matrices)):
        problems.append(f"is an adapter of the kind {kind}, which keeps no trace of its base: only a name tells it")
    return Fingerprint(
        id=model_id,
        created_at=created_at,
        location=str(model.path),
        adapter=model.adapter is not None,
        dtype=model.dtype,
        elements=_count_elements(model),
        size=model.size,
        family_key=family_key(model),
        weights_hash=_weights_hash(model, sample, components),
        components=components,
        sample=sample,
        moment_names=names,
        moments=moments,
        declared_base=(model.adapter.base_model_name_or_path or "") if model.adapter else "",
        rank=model.adapter.r if model.adapter else 0,
        problems=problems,
        container=model.container,
    )


def _count_elements(model: OpenModel) -> int:
    """Return the number of elements without the output matrix: heads have as many rows as a task has labels."""
    return sum(
        matrix.rows * matrix.columns
        for matrix in sampled_matrices(model.matrices)
        if not matrix.name.endswith("lm_head.weight")
    )


def take_sample(model: OpenModel, positions: int) -> Sample:
    """Return the elements at the first positions of a model, tensor by tensor.

    Args:
        model: Its weights.
        positions: Number of positions, at most.

    Raises:
        WeightsError: A file ends before what its header promised.
    """
    return _sample_of(model.matrices, positions)


def _sample_of(named: Mapping[str, Matrix], positions: int) -> Sample:
    matrices = sampled_matrices(named)
    allocated = allocate_positions((matrix.name for matrix in matrices), positions)
    parts: list[tuple[Keys, Floats, Floats, Floats]] = []
    tensor: list[int] = []
    matrices = [matrix for matrix in matrices if matrix.name in allocated]
    for matrix in matrices:
        part = _sample_matrix(matrix, allocated[matrix.name])
        parts.append(part)
        tensor += [len(parts) - 1] * len(part[0])
    if not parts:
        empty = np.empty(0, np.float32)
        return Sample(
            np.empty(0, np.uint64), np.empty(0, np.uint16), empty.reshape(0, RUN_LENGTH), empty, empty, [], []
        )
    keys, values, row_max, block_max = (np.concatenate(column) for column in zip(*parts, strict=True))
    return Sample(keys, np.array(tensor, np.uint16), values, row_max, block_max,
                  [matrix.name for matrix in matrices], [matrix.dtype for matrix in matrices])  # fmt: skip


def _sample_matrix(matrix: Matrix, positions: int) -> tuple[Keys, Floats, Floats, Floats]:
    place = sample_positions(matrix, positions)
    rows, inverse = np.unique(place.rows, return_inverse=True)
    read = matrix.read(rows)
    magnitudes = np.where(np.isfinite(read), np.abs(read), 0)
    values = read[inverse[:, None], place.columns[:, None] + np.arange(RUN_LENGTH)]
    row_max = magnitudes.max(1)[inverse]
    block = place.columns // 128 * 128
    block_columns = np.minimum(block[:, None] + np.arange(128), matrix.columns - 1)
    block_max = magnitudes[inverse[:, None], block_columns].max(1)
    return place.keys, values, row_max.astype(np.float32), block_max.astype(np.float32)


def take_moments(model: OpenModel) -> tuple[list[str], Floats, list[str]]:
    """Return the moments of a model's tensors, each from as many rows as hold `SAMPLE.moment_elements` elements.

    Of more than `SAMPLE.max_moment_tensors` tensors, matrices come before vectors, then names by their hash.

    Args:
        model: Its weights.

    Returns:
        Names of the tensors; moments of their finite elements, shape (tensors, 5); names of tensors with NaN or
        infinity.

    Raises:
        WeightsError: A file ends before what its header promised.
    """
    damaged = []
    chosen = sorted(model.matrices.values(), key=lambda matrix: (matrix.vector, name_hash(matrix.name)))
    chosen = sorted(chosen[: SAMPLE.max_moment_tensors], key=lambda matrix: matrix.name)
    out = np.empty((len(chosen), len(MOMENTS)), np.float32)
    for place, matrix in enumerate(chosen):
        rows = max(4, min(matrix.rows, SAMPLE.moment_elements // matrix.columns))
        if model.size > SAMPLE.large_model_bytes:
            rows = min(rows, max(2, matrix.rows // SAMPLE.large_model_row_stride))
        values = matrix.read(np.sort(hashed_row_order(matrix.name, matrix.rows, rows))).astype(np.float64).reshape(-1)
        finite = values[np.isfinite(values)]
        if len(finite) < len(values):
            damaged.append(matrix.name)
        out[place] = _moments(finite)
    return [matrix.name for matrix in chosen], out, damaged


def _moments(values: Doubles) -> tuple[float, ...]:
    if not len(values):
        return (np.nan,) * len(MOMENTS)
    largest, zeros = float(np.abs(values).max()), float(np.mean(values == 0))
    return float(values.mean()), float(values.std()), kurtosis(values), largest, zeros


def kurtosis(values: Doubles) -> float:
    """Return the kurtosis E[(x - μ)⁴] / σ⁴, 3 for a normal distribution; 0 where all values are equal."""
    squares = np.square(values - values.mean())
    variance = float(squares.mean())
    # A fourth power takes 30 times as long as the square of squares.
    return float(np.square(squares).mean()) / variance**2 if variance > 0 else 0.0


def family_key(model: OpenModel) -> str:
    """Return the hash of an architecture: equal for models of any depth and vocabulary with the same blocks."""
    parts = {
        f"{without_layer(matrix.name)}:{matrix.rows}x{matrix.columns}"
        for matrix in sampled_matrices(model.matrices)
        if not is_vocabulary(matrix.name)
    }
    return blake2b("\n".join(sorted(parts)).encode(), digest_size=12).hexdigest()


def _weights_hash(model: OpenModel, sample: Sample, components: Mapping[str, str]) -> str:
    """Return the hash of a model; that of a pipeline with a component that was not read has no equal elsewhere."""
    own = _hash_matrices(model.matrices, sample)
    if not components:
        return own
    parts = [f"{name}:{found or f'unread at {model.path}'}" for name, found in sorted(components.items())]
    return blake2b("\n".join([own, *parts]).encode(), digest_size=16).hexdigest()


def _hash_matrices(matrices: Mapping[str, Matrix], sample: Sample) -> str:
    digest = blake2b(digest_size=16)
    for name, matrix in sorted(matrices.items()):
        digest.update(f"{name}:{matrix.rows}x{matrix.columns}\n".encode())
    digest.update(np.nan_to_num(sample.values, nan=0.0).tobytes())
    return digest.hexdigest()
