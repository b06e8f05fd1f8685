"""Matrices as llm-compressor saves them in the layout compressed-tensors, by the scheme that `config.json` states.

- `pack-quantized`: integers of 1 to 8 bits as a stream of bits in 32-bit words, 2^(bits-1) for zero.
- `nvfp4-pack-quantized`, `mxfp4-pack-quantized`: E2M1 codes, two a byte, the first in the low half.
- Plain integers and 8-bit floats with scales are read by `scaled_codes`.

An element is w = (code - zero point) · scale, in NVFP4 divided by the scale of the matrix.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np

from atlas_db.core.arrays import Bytes, Floats, Integers
from atlas_db.core.safe_text import shown
from ingest.formats.matrix import Matrix
from ingest.formats.quantized.scale_blocks import ScaleBlocks, group_of
from ingest.formats.quantized.small_floats import E2M1, as_exponents
from ingest.formats.quantized.stored_tensors import (
    QuantizedFormat,
    StoredTensor,
    StoredTensors,
    UnreadableTensorError,
    bit_fields,
    read_row_bytes,
)
from ingest.formats.safetensors import read_values

_PACKED = ".weight_packed"
_SCHEMES = ("nvfp4-pack-quantized", "mxfp4-pack-quantized", "pack-quantized")
_WORD_BITS = 32


def _matrix(name: str, stored: StoredTensors) -> Matrix | None:
    if not name.endswith(_PACKED):
        return None
    base = name.removesuffix(_PACKED)
    if stored.tensors[name][1].dtype == "U8" and not any(_groups(stored.quantization)):
        return None
    scheme, weights = _scheme(base, stored)
    scale = stored.tensors.get(f"{base}.weight_scale")
    if scale is None:
        raise UnreadableTensorError(f"the scheme {scheme} without scales")
    if scheme == "pack-quantized":
        return _packed_integers(base, weights, scale, stored)
    return _packed_floats(base, scheme, scale, stored)


def _scheme(base: str, stored: StoredTensors) -> tuple[str, Mapping[str, Any]]:
    """Return the scheme of a module and what is stated of its weights.

    A file may have several groups of modules, chosen by patterns. Patterns of a foreign file are not run: of the groups
    that are stated the one that fits the tensors is taken.
    """
    default = stored.quantization.get("format")
    found = [
        (str(group.get("format") or default), weights)
        for group in _groups(stored.quantization)
        if isinstance(weights := group.get("weights"), dict)
    ]
    fitting = [each for each in found if _fits(base, *each, stored)]
    if not fitting and not found and f"{base}.weight_shape" in stored.tensors:
        # Files of the first versions have the shape alone, and 4 or 8 bits, of which one fits.
        plain: list[tuple[str, dict[str, Any]]] = [("pack-quantized", {"num_bits": bits}) for bits in (4, 8)]
        fitting = [each for each in plain if _fits(base, *each, stored)]
    # Schemes that read the same do not differ.
    kinds = {(scheme, str(weights.get("num_bits")), group_of(weights.get("group_size"))) for scheme, weights in fitting}
    if len(kinds) != 1:
        raise UnreadableTensorError(
            "packed codes, which several schemes fit" if kinds else "packed codes, which no stated scheme fits"
        )
    return fitting[0]


def _groups(quantization: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    groups = quantization.get("config_groups")
    for group in groups.values() if isinstance(groups, dict) else ():
        if isinstance(group, dict):
            yield group


def _fits(base: str, scheme: str, weights: Mapping[str, Any], stored: StoredTensors) -> bool:
    tensor = stored.tensors[f"{base}{_PACKED}"][1]
    if scheme not in _SCHEMES or len(tensor.shape) != 2:
        return False
    if scheme != "pack-quantized":
        nvfp4 = f"{base}.weight_global_scale" in stored.tensors
        return tensor.dtype == "U8" and nvfp4 == scheme.startswith("nvfp4")
    bits = weights.get("num_bits")
    if tensor.dtype != "I32" or type(bits) is not int or not 1 <= bits <= 8:
        return False
    rows, columns = _shape(base, stored) or (tensor.shape[0], tensor.shape[1] * _WORD_BITS // bits)
    return rows == tensor.shape[0] and _words_fit(columns, bits, tensor.shape[1]) is not None


def _shape(base: str, stored: StoredTensors) -> tuple[int, int] | None:
    """Return the shape that a file states for a matrix."""
    shape = stored.tensors.get(f"{base}.weight_shape")
    if shape is None or shape[1].elements != 2 or not shape[1].dtype.startswith("I"):
        return None
    rows, columns = (int(side) for side in read_values(*shape))
    return (rows, columns) if rows > 0 and columns > 0 else None


def _words_fit(count: int, bits: int, words: int) -> int | None:
    """Return the codes of a word of the packing that takes so many words, 0 for a stream; None where none does.

    Words of older versions hold whole codes alone; in newer ones a code can go over the end of a word. Of 1, 2, 4 and
    8 bits both are the same.

    Args:
        count: Codes.
        bits: Bits a code.
        words: Words that they take.
    """
    if words == -(-count * bits // _WORD_BITS):
        return 0
    whole = _WORD_BITS // bits
    return whole if words == -(-count // whole) else None


def _packed_integers(base: str, weights: Mapping[str, Any], scale: StoredTensor, stored: StoredTensors) -> Matrix:
    codes, bits = stored.tensors[f"{base}{_PACKED}"], int(weights["num_bits"])
    rows, columns = _shape(base, stored) or (codes[1].shape[0], codes[1].shape[1] * _WORD_BITS // bits)
    order = stored.tensors.get(f"{base}.weight_g_idx")
    scales = ScaleBlocks(scale, rows, columns, (None, group_of(weights.get("group_size"))), order)
    read_zeros = _zero_points(base, bits, rows, scales, stored)
    width = codes[1].shape[1]

    def read(wanted: Integers) -> Floats:
        words = read_row_bytes(codes, wanted, width * 4)
        found = _fields(words, bits, columns) - scales.spread(read_zeros(wanted))
        return np.asarray(found * scales.spread(scales.read(wanted)), np.float32)

    return Matrix(f"{base}.weight", rows, columns, f"CT{bits}", False, read)


def _fields(words: Bytes, bits: int, count: int) -> Integers:
    """Return the first codes of rows of words, whichever way they are packed.

    Args:
        words: Bytes of the words, shape (rows, 4 · words).
        bits: Bits a code.
        count: Codes of a row.
    """
    whole = _words_fit(count, bits, words.shape[1] // 4)
    if not whole:
        return bit_fields(words, bits)[:, :count]
    values = words.view("<u4")
    found = (values[:, :, None] >> (np.arange(whole, dtype=np.uint32) * bits)) & np.uint32(2**bits - 1)
    return found.reshape(len(words), -1)[:, :count].astype(np.int64)


def _zero_points(
    base: str, bits: int, rows: int, scales: ScaleBlocks, stored: StoredTensors
) -> Callable[[Integers], Floats]:
    """Return a function of rows to their zero points, as codes: packed along the rows, plain, or none."""
    found, middle = stored.tensors.get(f"{base}.weight_zero_point"), 2 ** (bits - 1)
    if found is None:
        return lambda wanted: np.full((len(wanted), 1), middle, np.float32)
    tensor = found[1]
    if tensor.dtype != "I32":
        plain = ScaleBlocks(found, rows, scales.groups)
        return lambda wanted: plain.spread(plain.read(wanted)) + middle
    words = tensor.shape[0] if len(tensor.shape) == 2 and tensor.shape[1] == scales.groups else 0
    if _words_fit(rows, bits, words) is None:
        raise UnreadableTensorError(f"zero points of the shape {shown(list(tensor.shape))}, which do not fit")
    whole = _words_fit(rows, bits, words)

    def read(wanted: Integers) -> Floats:
        first = wanted // whole if whole else wanted * bits // _WORD_BITS
        shift = wanted % whole * bits if whole else wanted * bits % _WORD_BITS
        pair = np.stack(
            [
                read_row_bytes(found, np.minimum(first + step, words - 1), scales.groups * 4).view("<u4")
                for step in (0, 1)
            ]
        ).astype(np.uint64)
        joined = pair[0] | (pair[1] << np.uint64(_WORD_BITS))
        return np.asarray((joined >> shift[:, None].astype(np.uint64)) & np.uint64(2**bits - 1), np.float32)

    return read


def _packed_floats(base: str, scheme: str, scale: StoredTensor, stored: StoredTensors) -> Matrix:
    codes = stored.tensors[f"{base}{_PACKED}"]
    rows, width = codes[1].shape
    if scheme.startswith("mxfp4"):
        scale = as_exponents(scale)
    scales = ScaleBlocks(scale, rows, width * 2)
    divisor = stored.tensors.get(f"{base}.weight_global_scale")

    def read(wanted: Integers) -> Floats:
        values = E2M1[bit_fields(read_row_bytes(codes, wanted, width), 4)]
        factor = scales.spread(scales.read(wanted))
        return np.asarray(values * factor / (read_values(*divisor)[0] if divisor else 1), np.float32)

    return Matrix(f"{base}.weight", rows, width * 2, scheme.partition("-")[0].upper(), False, read)


FORMAT = QuantizedFormat(
    name="compressed-tensors, packed",
    tool="llm-compressor 0.14.0.1, compressed-tensors 0.19.0",
    read="integers of 1 to 8 bits, zero points, order of columns, NVFP4, MXFP4",
    unknown="which of several groups of modules a pattern chooses: refused where several fit",
    error=3e-3,
    bytes_read="1.2 MiB of 1.0 GiB (4 bits)",
    places="disk, Hub",
    matrix=_matrix,
    served={f".weight_{part}": (_PACKED,) for part in ("scale", "shape", "zero_point", "g_idx", "global_scale")}
    | {".input_global_scale": (_PACKED,), ".input_scale": (_PACKED,)},
)
