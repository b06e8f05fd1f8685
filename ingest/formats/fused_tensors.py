"""Tensors of a model under canonical names: fused ones as their parts, experts one by one, all read on demand."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

import numpy as np

from atlas_db.core.arrays import Floats, Integers
from ingest.formats.declared_names import declarations, model_names
from ingest.formats.matrix import Matrix, equal_parts
from ingest.formats.tensor_names import canonical_names

_EXPERTS = "experts"
MAX_EXPERTS = 4096
"""Experts of a tensor that are matrices of their own, at most: bounds the memory that sides of a header can take."""
_FUSED, _DOWN = "gate_up_proj", "down_proj"
_BIAS = "_bias"


def named_matrices(matrices: Iterable[Matrix], config: Mapping[str, Any]) -> dict[str, Matrix]:
    """Return the matrices of a model by canonical name.

    A tensor that memory holds in equal parts becomes these parts. A tensor of all experts becomes one matrix for each
    expert and projection. A file holds them one by one, or fused as transformers does in memory.

    Args:
        matrices: Matrices under their names as stored.
        config: `config.json`, empty where there is none.
    """
    stored = list(matrices)
    declared = model_names(config)
    names = canonical_names((matrix.name for matrix in stored), config)
    found: dict[str, Matrix] = {}
    for matrix in stored:
        wanted = names[matrix.name]
        transposed = not matrix.vector and declared.is_transposed(matrix.name)
        # The factor of a low-rank update that reads the input is shared by all parts.
        parts = equal_parts(matrix, len(wanted)) if len(wanted) > 1 and ".lora_" not in matrix.name else [matrix]
        if len(parts) != len(wanted):
            wanted, parts = (matrix.name,), [matrix]
        for name, part in zip(wanted, parts, strict=True):
            found[name] = part._replace(name=name, transposed=transposed)
    for name in [name for name in found if name.endswith(f".{_EXPERTS}.{_FUSED}{_BIAS}")]:
        _take_apart(found, name.rpartition(".")[0])
    stacked = {
        name: _projections(name, found, declared.splits_experts)
        for name, matrix in found.items()
        if _is_stacked(name, matrix)
    }
    for name, projections in stacked.items():
        if projections:
            found |= {part.name: part for part in expert_matrices(found.pop(name), name, projections)}
    return found


def expert_matrices(matrix: Matrix, name: str, projections: Iterable[str]) -> Iterator[Matrix]:
    """Yield one matrix for each expert and projection of a tensor of experts × (projections · outputs) × inputs.

    Args:
        matrix: The tensor.
        name: Its canonical name.
        projections: Names of the projections, in order.
    """
    stem = name.rpartition(".")[0]
    wanted = list(projections)
    for expert, block in enumerate(equal_parts(matrix, matrix.shape[0])):
        for projection, part in zip(wanted, equal_parts(block, len(wanted)), strict=False):
            yield part._replace(name=f"{stem}.{expert}.{projection}.weight")


def _take_apart(found: dict[str, Matrix], stem: str) -> None:
    """Replace the experts of gpt-oss by one matrix for each expert and projection, out × in.

    Their biases show them. Outputs of the two projections before the activation take turns. Floats are stored experts
    × inputs × outputs; packed codes (MXFP4) experts × outputs × inputs, one projection after the other, and stay.

    Args:
        found: Matrices by canonical name.
        stem: Name of the experts.
    """
    projections = declarations().experts[_FUSED]
    bias, fused, down = (found.get(f"{stem}.{end}") for end in (_FUSED + _BIAS, _FUSED, _DOWN))
    if bias is not None and bias.columns % 2 == 0:
        del found[bias.name]
        for place, projection in enumerate(projections):
            found |= _named(_every_second(bias, place), f"{stem}.{projection}.bias")
    if (bias_down := found.pop(f"{stem}.{_DOWN}{_BIAS}", None)) is not None:
        found |= _named(bias_down, f"{stem}.{_DOWN}.bias")
    if fused is None or down is None or fused.read_columns is None or down.read_columns is None:
        return
    experts, inputs, outputs = fused.shape
    if experts > MAX_EXPERTS or down.shape != (experts, outputs // 2, inputs) or outputs % 2:
        return
    del found[fused.name], found[down.name]
    for expert in range(experts):
        for place, projection in enumerate(projections):
            into = _turned(fused, fused.read_columns, expert, slice(place, None, 2))
            found |= _named(into, f"{stem}.{expert}.{projection}.weight")
        out = _turned(down, down.read_columns, expert, slice(None))
        found |= _named(out, f"{stem}.{expert}.{_DOWN}.weight")


def _named(matrix: Matrix, name: str) -> dict[str, Matrix]:
    return {name: matrix._replace(name=name)}


def _every_second(matrix: Matrix, first: int) -> Matrix:
    """Return every second column of a matrix, from the first on."""
    return matrix._replace(columns=matrix.columns // 2, read=lambda wanted: matrix.read(wanted)[:, first::2])


def _turned(matrix: Matrix, by_column: Callable[[int, int, Integers], Floats], expert: int, outputs: slice) -> Matrix:
    """Return the transpose of some columns of an expert.

    Args:
        matrix: A tensor of experts × inputs × outputs.
        by_column: Its `read_columns`.
        expert: The expert.
        outputs: Its outputs.
    """
    _, inputs, columns = matrix.shape
    chosen = np.arange(columns)[outputs]
    return Matrix(
        matrix.name, len(chosen), inputs, matrix.dtype, False,
        lambda wanted: by_column(expert * inputs, inputs, chosen[wanted]),
    )  # fmt: skip


def _is_stacked(name: str, matrix: Matrix) -> bool:
    parts = name.split(".")
    return (
        len(matrix.shape) == 3
        and matrix.shape[0] <= MAX_EXPERTS
        and len(parts) > 1
        and parts[-2] == _EXPERTS
        and parts[-1] in declarations().experts
        and matrix.rows % matrix.shape[0] == 0
    )


def _projections(name: str, found: Mapping[str, Matrix], declared: bool) -> list[str]:
    """Return the projections of a tensor of experts that is stored out × in; none where it is not.

    Some models store in × out, and only the sides show it. The tensor before the activation has one or two rows for
    each column of the one behind it. With one row, both orders fit, and the declaration decides.
    """
    stem, _, fused = name.rpartition(".")
    first = next((each for each in declarations().experts if each != _DOWN and f"{stem}.{each}" in found), None)
    down = found.get(f"{stem}.{_DOWN}")
    if first is None or down is None:
        return []
    projections = declarations().experts[first]
    outputs, inputs = found[f"{stem}.{first}"].rows // down.shape[0], found[f"{stem}.{first}"].columns
    fits = outputs == len(projections) * down.columns and inputs * down.shape[0] == down.rows
    return declarations().experts[fused] if fits and (declared or len(projections) > 1) else []
