"""Tensors of a model under canonical names: fused ones as their parts, experts one by one, all read on demand."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from ingest.formats.declared_names import declarations, model_names
from ingest.formats.matrix import Matrix, equal_parts
from ingest.formats.tensor_names import canonical_names

_EXPERTS = "experts"
_DOWN = "down_proj"


def named_matrices(matrices: Iterable[Matrix], config: Mapping[str, Any]) -> dict[str, Matrix]:
    """Return the matrices of a model by canonical name.

    A tensor that memory holds in equal parts becomes these parts. A tensor of all experts becomes one matrix for each
    expert and projection, whether the file holds them one by one or fused, as transformers does in memory.

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


def _is_stacked(name: str, matrix: Matrix) -> bool:
    parts = name.split(".")
    return (
        len(matrix.shape) == 3
        and len(parts) > 1
        and parts[-2] == _EXPERTS
        and parts[-1] in declarations().experts
        and matrix.rows % matrix.shape[0] == 0
    )


def _projections(name: str, found: Mapping[str, Matrix], declared: bool) -> list[str]:
    """Return the projections of a tensor of experts that is stored out × in; none where it is not.

    Some models store in × out, and sides alone tell: the tensor before the activation has one or two rows for each
    column of the one behind it. With one row, both orders fit, and the declaration decides.
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
