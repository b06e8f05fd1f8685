"""GPTQ and AWQ matrices, integers packed into 32-bit words: `qweight`, `qzeros`, `scales` and, for GPTQ, `g_idx`.

An element is w = (code - zero point) · scale. Both formats store the transpose, [inputs, outputs], so a row of the
model's matrix is a column here, gathered word by word.

- GPTQ (Frantar et al., arXiv 2210.17323) packs neighbouring inputs into a word (AutoGPTQ, qlinear_cuda).
- AWQ (Lin et al., arXiv 2306.00978) packs neighbouring outputs, in an order of its own (AutoAWQ, WQLinear_GEMM).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from atlas_db.core.arrays import Floats, Integers
from atlas_db.core.errors import WeightsError
from atlas_db.core.safe_text import shown
from ingest.formats.matrix import Matrix
from ingest.formats.quantized.stored_tensors import (
    QuantizedFormat,
    StoredTensor,
    StoredTensors,
    UnreadableTensorError,
    bit_fields,
)
from ingest.formats.quantized.transposed.packed_words import (
    WORD_BITS,
    StoredColumns,
    fields_at,
    require_columns,
)
from ingest.formats.safetensors import read_values

_CODES = ".qweight"
_PARTS = (".qzeros", ".scales", ".g_idx", _CODES)
AWQ_ORDER = (0, 2, 4, 6, 1, 3, 5, 7)
"""Output of each 4-bit field of a word, the lowest field first."""
_GPTQ_BITS = (2, 3, 4, 8)


def _matrix(name: str, stored: StoredTensors) -> Matrix | None:
    if not name.endswith(_CODES):
        return None
    base = name.removesuffix(_CODES)
    parts = {end: stored.tensors[base + end] for end in _PARTS if base + end in stored.tensors}
    require_columns(parts[_CODES])
    bits, kind, inputs = _layout(parts)
    if ".g_idx" in parts and parts[".g_idx"][1].elements not in (0, inputs):
        raise UnreadableTensorError(f"{kind} with an order of {parts['.g_idx'][1].elements} columns for {inputs}")
    outputs = parts[".scales"][1].shape[1]
    read = _row_reader(parts, kind, bits, inputs, _stored_less_one(stored.quantization) if kind == "GPTQ" else False)
    return Matrix(f"{base}.weight", outputs, inputs, f"{kind}{bits}", False, read)


def _layout(parts: Mapping[str, StoredTensor]) -> tuple[int, str, int]:
    """Return bits, format and inputs of a matrix, by the shapes of its parts.

    Raises:
        UnreadableTensorError: A part is missing, or the shapes fit neither format.
    """
    if parts[_CODES][1].dtype != "I32" or not {".qzeros", ".scales"} <= parts.keys():
        raise UnreadableTensorError(f"{parts[_CODES][1].dtype}, packed in a way that is not known")
    codes, zeros, scales = (parts[end][1].shape for end in (_CODES, ".qzeros", ".scales"))
    if len(codes) == 2 and len(zeros) == 2 and len(scales) == 2 and scales[1] and zeros[0] == scales[0]:
        outputs = scales[1]
        bits, rest = divmod(WORD_BITS * zeros[1], outputs)
        if not rest and bits in _GPTQ_BITS:
            if codes[1] == outputs and codes[0] * WORD_BITS % bits == 0:
                return bits, "GPTQ", codes[0] * WORD_BITS // bits
            if codes[1] * WORD_BITS == outputs * bits and bits == 4:
                return bits, "AWQ", codes[0]
    raise UnreadableTensorError("I32, packed in a way that is not known")


def _stored_less_one(quantization: Mapping[str, Any]) -> bool | None:
    """Return whether zero points are stored less 1, as in the first format; None where none is stated.

    Raises:
        UnreadableTensorError: The format has another order of bits.
    """
    stated = [str(quantization.get(key) or "") for key in ("checkpoint_format", "format", "packing_format")]
    if "gptq_p" in stated:
        raise UnreadableTensorError("the format gptq_p of GPTQModel, which keeps each bit apart")
    if any("gptq_v2" in each for each in stated):
        return False
    return True if any(each == "gptq" or each.endswith(":auto_gptq") for each in stated) else None


def _row_reader(
    parts: Mapping[str, StoredTensor], kind: str, bits: int, inputs: int, less_one: bool | None
) -> Callable[[Integers], Floats]:
    known = [] if less_one is None else [less_one]
    codes_of, zeros_of, scales_of = (StoredColumns(parts[end]) for end in (_CODES, ".qzeros", ".scales"))

    width = parts[".qzeros"][1].shape[1]

    def group_indices() -> Integers:
        if ".g_idx" in parts and parts[".g_idx"][1].elements:
            source, tensor = parts[".g_idx"]
            group = read_values(source, tensor, 0, inputs).astype(np.int64)
            if group.min() < 0 or group.max() >= parts[".scales"][1].shape[0]:
                raise WeightsError(source.name, f"names groups in {shown(tensor.name)} that have no scale")
            return group
        return np.arange(inputs) * parts[".scales"][1].shape[0] // inputs

    def read(wanted: Integers) -> Floats:
        group = group_indices()
        if kind == "AWQ":
            shifts = np.array(AWQ_ORDER).argsort()[wanted % len(AWQ_ORDER)] * bits
            words = wanted // len(AWQ_ORDER)
            codes = fields_at(codes_of.words(words), shifts, bits)
            zeros = fields_at(zeros_of.words(words), shifts, bits)
        else:
            codes = bit_fields(codes_of.words(wanted).view(np.uint8), bits)
            if not known:
                # Where the configuration does not tell, the mean of the codes shows the format, as that of the weights
                # is near 0.
                mean = float((codes - _zero_points(zeros_of, width, wanted, bits, less_one=False)[:, group]).mean())
                known.append(abs(mean - 1) < abs(mean))
            zeros = _zero_points(zeros_of, width, wanted, bits, less_one=known[0])
        return np.asarray((codes - zeros[:, group]) * scales_of.floats(wanted)[:, group], np.float32)

    return read


def _zero_points(stored: StoredColumns, width: int, wanted: Integers, bits: int, *, less_one: bool) -> Integers:
    """Return the zero points of outputs of a GPTQ matrix, shape (len(wanted), groups).

    Args:
        stored: Their words.
        width: Words a group.
        wanted: Outputs.
        bits: Bits of a zero point.
        less_one: Whether they are stored less 1, as in the first format.
    """
    first, shifts = np.divmod(wanted * bits, WORD_BITS)
    words = stored.words(first)
    if (shifts + bits > WORD_BITS).any():
        after = stored.words(np.minimum(first + 1, width - 1))
        fields = fields_at(words | (after.astype(np.uint64) << np.uint64(WORD_BITS)), shifts, bits)
        return np.asarray((fields + less_one) % 2**bits, np.int64)
    if less_one and WORD_BITS % bits == 0:
        # Whole words are made less, so that a zero point of 0 takes from its neighbour (GPTQModel, gptq_v2 to v1).
        return fields_at(words + np.uint32((2**WORD_BITS - 1) // (2**bits - 1)), shifts, bits)
    return np.asarray((fields_at(words, shifts, bits) + less_one) % 2**bits, np.int64)


FORMAT = QuantizedFormat(
    name="GPTQ, AWQ",
    tool="gptqmodel 7.6.0, auto-round 0.16.1",
    read="GPTQ of 2, 3, 4 and 8 bits in both formats, AWQ of 4 bits, AutoRound in both layouts",
    unknown="the format of zero points, where no configuration states it: the mean of the codes tells",
    error=4e-4,
    bytes_read="229 MiB (GPTQ), 482 MiB (AWQ) of 1.0 GiB",
    places="disk, Hub up to 4 MiB a matrix",
    matrix=_matrix,
    served={end: (_CODES,) for end in _PARTS[:-1]},
)
