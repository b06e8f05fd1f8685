"""Matrices as MLX quantizes them.

`X.weight` holds codes in 32-bit words, a row as one stream of bits, the lowest first; `X.scales` one scale a group of
columns. `config.json` states the mode, and the size of a group, for all modules or for some.

- `affine`: w = code · scale + bias, with `X.biases` (`mlx.core.quantize`).
- `mxfp4`, `mxfp8`: codes are floats of 4 or 8 bits, scales exponents of 2. `nvfp4`: scales are 8-bit floats.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np

from atlas_db.core.arrays import Floats, Integers
from ingest.formats.matrix import Matrix
from ingest.formats.quantized.scale_blocks import group_of
from ingest.formats.quantized.small_floats import E2M1, as_exponents, as_floats
from ingest.formats.quantized.stored_tensors import (
    QuantizedFormat,
    StoredTensor,
    StoredTensors,
    UnreadableTensorError,
    bit_fields,
    read_row_bytes,
)
from ingest.formats.safetensors import decode_floats, read_values

_SCALES, _BIASES = ".scales", ".biases"
_GROUPS = (32, 64, 128)
"""Columns of a group that `mlx.core.quantize` takes."""
_BITS = (2, 3, 4, 5, 6, 8)
_AFFINE = "affine"


class _FloatMode(NamedTuple):
    """A mode with codes that are floats.

    Attributes:
        bits: Bits of a code.
        values: Function of codes to their values.
        scales: Function of stored scales to what they are.
    """

    bits: int
    values: Callable[[Integers], Floats]
    scales: Callable[[StoredTensor], StoredTensor]


_FLOAT_MODES = {
    "mxfp4": _FloatMode(4, lambda codes: E2M1[codes], as_exponents),
    "nvfp4": _FloatMode(4, lambda codes: E2M1[codes], as_floats),
    "mxfp8": _FloatMode(8, lambda codes: decode_floats(codes.astype(np.uint8).tobytes(), "F8_E4M3"), as_exponents),
}


def with_group_size(stored: StoredTensors) -> StoredTensors:
    """Return the tensors with the size of the groups in their configuration, where it lacks it and they show it.

    The same words are 4 bits in groups of 64 and 8 bits in groups of 32. Most matrices are as wide as the norms are
    long, so the size that makes most of them so is taken.

    Args:
        stored: All tensors of the model.
    """
    if isinstance(stored.config.get("quantization"), dict):
        return stored
    norms = {each.shape[0] for _, each in stored.tensors.values() if len(each.shape) == 1}
    votes: Counter[int] = Counter()
    for name, (_, tensor) in stored.tensors.items():
        parts = _parts(name.removesuffix(_SCALES), stored.tensors) if name.endswith(_SCALES) else None
        if parts is not None and parts[2] is not None:
            words = parts[0][1].shape[-1] * 32
            votes.update(
                group
                for group in _GROUPS
                if (columns := tensor.shape[-1] * group) in norms and words % columns == 0 and words // columns in _BITS
            )
    if not votes:
        return stored
    group = max(votes, key=lambda each: (votes[each], each))
    return stored._replace(config={**stored.config, "quantization": {"group_size": group}})


def _parts(
    base: str, tensors: Mapping[str, StoredTensor]
) -> tuple[StoredTensor, StoredTensor, StoredTensor | None] | None:
    """Return codes, scales and biases of a module; None where it is not quantized by MLX."""
    codes, scales, biases = (tensors.get(base + end) for end in (".weight", _SCALES, _BIASES))
    if codes is None or scales is None or codes[1].dtype != "U32" or len(codes[1].shape) < 2:
        return None
    return codes, scales, biases


def _matrix(name: str, stored: StoredTensors) -> Matrix | None:
    base = name.removesuffix(".weight")
    parts = _parts(base, stored.tensors)
    if base == name or parts is None:
        return None
    stated = _stated(stored.config, base)
    mode, group = str(stated.get("mode") or _AFFINE), group_of(stated.get("group_size"))
    codes, scales, biases = parts
    *sides, words = codes[1].shape
    if group is None or scales[1].shape[:-1] != tuple(sides) or not scales[1].shape[-1]:
        raise UnreadableTensorError("words of MLX in groups that are not stated, or do not fit")
    columns = scales[1].shape[-1] * group
    bits, rest = divmod(words * 32, columns)
    if mode in _FLOAT_MODES and not rest and bits == _FLOAT_MODES[mode].bits:
        read, dtype = _float_reader(codes, scales, _FLOAT_MODES[mode]), mode.upper()
    elif mode == _AFFINE and not rest and bits in _BITS and biases is not None and biases[1].shape == scales[1].shape:
        read, dtype = _affine_reader(codes, scales, biases, bits), f"MLX{bits}"
    else:
        raise UnreadableTensorError(f"words of MLX in the mode {mode} with parts that do not fit")
    rows = codes[1].elements // words
    return Matrix(name, rows, columns, dtype, False, read, shape=(*sides, columns) if len(sides) > 1 else ())


def _stated(config: Mapping[str, Any], module: str) -> Mapping[str, Any]:
    """Return what `config.json` states of a module: its own entry, else what holds for all."""
    quantization = config.get("quantization")
    if not isinstance(quantization, dict):
        return {}
    own = quantization.get(module)
    return own if isinstance(own, dict) else quantization


def _affine_reader(
    codes: StoredTensor, scales: StoredTensor, biases: StoredTensor, bits: int
) -> Callable[[Integers], Floats]:
    groups, width = scales[1].shape[-1], codes[1].shape[-1] * 4

    def read(wanted: Integers) -> Floats:
        values = bit_fields(read_row_bytes(codes, wanted, width), bits).reshape(len(wanted), groups, -1)
        factor, offset = (_of_rows(part, wanted, groups) for part in (scales, biases))
        return np.asarray((values * factor + offset).reshape(len(wanted), -1), np.float32)

    return read


def _float_reader(codes: StoredTensor, scales: StoredTensor, mode: _FloatMode) -> Callable[[Integers], Floats]:
    groups, width, factors = scales[1].shape[-1], codes[1].shape[-1] * 4, mode.scales(scales)

    def read(wanted: Integers) -> Floats:
        fields = bit_fields(read_row_bytes(codes, wanted, width), mode.bits)
        values = mode.values(fields).reshape(len(wanted), groups, -1)
        return np.asarray((values * _of_rows(factors, wanted, groups)).reshape(len(wanted), -1), np.float32)

    return read


def _of_rows(part: StoredTensor, rows: Integers, groups: int) -> Floats:
    """Return the scales or biases of rows, shape (len(rows), groups, 1)."""
    return np.stack([read_values(*part, row * groups, (row + 1) * groups) for row in rows.tolist()])[:, :, None]


FORMAT = QuantizedFormat(
    name="MLX",
    tool="mlx-lm 0.32.2, mlx 0.32.4",
    read="affine of 2 to 8 bits in any groups, mxfp4, mxfp8, nvfp4, stacked experts",
    unknown="the size of groups, where no configuration states it: that which makes matrices as wide as norms",
    error=1e-6,
    bytes_read="1.3 MiB of 1.0 GiB (4 bits)",
    places="disk, Hub",
    matrix=_matrix,
    served={end: (".weight",) for end in (_SCALES, _BIASES)},
)
