"""A fingerprint: some thousand elements, moments, and signatures of a model, of a size that does not grow with it."""

from __future__ import annotations

from dataclasses import dataclass, field
from hashlib import blake2b

import numpy as np
import numpy.typing as npt

from atlas_db.core.arrays import Doubles, Floats, Keys
from atlas_db.core.hashing import name_hash
from ingest.weights.fingerprints.sampling import (
    SKETCH,
    allocate_positions,
    hashed_row_order,
    sample_positions,
    sampled_matrices,
)
from ingest.weights.formats.open_model import RUN_LENGTH, Matrix, OpenModel
from ingest.weights.formats.tensor_names import is_vocabulary, without_layer

VERSION = "fp@4"
MOMENTS = ("mean", "std", "kurtosis", "absmax", "zeros")
MAX_MOMENTS = 240
"""Tensors whose moments are kept; of models with more, those whose names hash lowest."""
MOMENT_ELEMENTS = 16384
LARGE = 256 * 2**20
"""Bytes above which only a two-hundredth of a tensor's rows is read for its moments."""


@dataclass(slots=True)
class Sample:
    """Elements of a model at positions that any model shares.

    Attributes:
        keys: Name of each position, shape (n,), uint64.
        tensor: Index into `names` of each position, shape (n,), uint16.
        values: Elements, shape (n, 32), float32; NaN as found.
        row_max: Largest magnitude of the position's row, shape (n,).
        block_max: Largest magnitude of the 128 columns around it, shape (n,).
        names: Canonical names of tensors.
        dtypes: Type each of them is stored in.
    """

    keys: Keys
    tensor: npt.NDArray[np.uint16]
    values: Floats
    row_max: Floats
    block_max: Floats
    names: list[str]
    dtypes: list[str]


@dataclass(slots=True)
class Fingerprint:
    """What is kept of a model's weights, at most 32 KB.

    Attributes:
        id: Hub id.
        created_at: Date as stated, or empty.
        location: Where the weights lie, or empty.
        adapter: True for an adapter stored alone.
        dtype: The type that most elements are stored in.
        elements: Number of elements of its blocks and of the words that go in, whatever its head.
        size: Bytes of the weight files.
        family_key: Equal for models whose blocks have tensors of the same names and sides.
        content: Hash of names, sides and sample; equal for copies, whatever their shards.
        sample: The sample.
        moment_names: Tensors of `moments`.
        moments: Shape (tensors, 5): mean, standard deviation, kurtosis, largest magnitude, share of zeros.
        declared: Base model as an adapter's configuration names it, or empty.
        rank: Rank of an adapter, or 0.
        problems: What was left out, in words.
        revision: Digest of the files it was computed from, or empty.
        version: Of this definition.
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
    declared_base: str = ""
    rank: int = 0
    problems: list[str] = field(default_factory=list)
    revision: str = ""
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
    sample = take_sample(model, SKETCH)
    problems = list(model.problems)
    if damaged or not np.isfinite(sample.values).all():
        where = f" in {', '.join(damaged[:3])}" if damaged else ""
        problems.append(f"holds values that are no numbers (NaN or infinity){where}")
    return Fingerprint(
        id=model_id,
        created_at=created_at,
        location=str(model.path),
        adapter=model.adapter is not None,
        dtype=model.dtype,
        elements=_count_elements(model),
        size=model.size,
        family_key=family_key(model),
        weights_hash=_weights_hash(model, sample),
        sample=sample,
        moment_names=names,
        moments=moments,
        declared_base=(model.adapter.base_model_name_or_path or "") if model.adapter else "",
        rank=model.adapter.r if model.adapter else 0,
        problems=problems,
    )


def _count_elements(model: OpenModel) -> int:
    """Count what grows with the vocabulary alone: heads have as many rows as a task has labels."""
    return sum(
        matrix.rows * matrix.columns
        for matrix in sampled_matrices(model.matrices)
        if not matrix.name.endswith("lm_head.weight")
    )


def take_sample(model: OpenModel, positions: int) -> Sample:
    """Read elements at the first positions of a model, tensor by tensor."""
    matrices = sampled_matrices(model.matrices)
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
    """Return names and moments of at most 240 tensors, each from rows enough for 16,384 elements.

    Returns:
        Names; moments of the numbers among the elements, shape (tensors, 5); names of tensors with others.
    """
    damaged = []
    chosen = sorted(model.matrices.values(), key=lambda matrix: (matrix.vector, name_hash(matrix.name)))[:MAX_MOMENTS]
    chosen.sort(key=lambda matrix: matrix.name)
    out = np.empty((len(chosen), len(MOMENTS)), np.float32)
    for place, matrix in enumerate(chosen):
        rows = max(4, min(matrix.rows, MOMENT_ELEMENTS // matrix.columns))
        if model.size > LARGE:
            rows = min(rows, max(2, matrix.rows // 200))
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
    """Return the fourth standardized moment of all elements; 0 where they are all equal."""
    centred = values - values.mean()
    variance = float(np.mean(centred**2))
    return float(np.mean(centred**4)) / variance**2 if variance > 0 else 0.0


def family_key(model: OpenModel) -> str:
    """Return a signature that models of any depth and vocabulary share when their blocks are alike."""
    parts = {
        f"{without_layer(matrix.name)}:{matrix.rows}x{matrix.columns}"
        for matrix in sampled_matrices(model.matrices)
        if not is_vocabulary(matrix.name)
    }
    return blake2b("\n".join(sorted(parts)).encode(), digest_size=12).hexdigest()


def _weights_hash(model: OpenModel, sample: Sample) -> str:
    digest = blake2b(digest_size=16)
    for name, matrix in sorted(model.matrices.items()):
        digest.update(f"{name}:{matrix.rows}x{matrix.columns}\n".encode())
    digest.update(np.nan_to_num(sample.values, nan=0.0).tobytes())
    return digest.hexdigest()
