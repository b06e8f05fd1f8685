"""The safetensors format: a checked header, and slices of tensors as float32.

Format (https://github.com/huggingface/safetensors): 8 bytes of header length, a JSON header, and one block of data
without holes. Every offset is checked against the file before it is used.
"""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, NamedTuple

import msgspec
import numpy as np

from atlas_db.core.arrays import Floats
from atlas_db.core.decoding import prepared
from atlas_db.core.errors import WeightsError
from atlas_db.core.safe_text import shown
from ingest.formats.byte_source import ByteSource
from ingest.formats.matrix import MAX_SIDE, MAX_SIDES, is_shape

MAX_HEADER = 100_000_000
"""The format's own limit."""
_LFS_POINTER = b"version https://git-lfs"
_METADATA = "__metadata__"
_MAX_DTYPE = 32
"""Letters of a type, at most: no message grows with it."""
_NUMPY_DTYPES = {
    "F64": "<f8", "F32": "<f4", "F16": "<f2", "I64": "<i8", "I32": "<i4", "I16": "<i2", "I8": "i1",
    "U64": "<u8", "U32": "<u4", "U16": "<u2", "U8": "u1", "BOOL": "u1",
}  # fmt: skip
_SIZES = {
    **{name: np.dtype(code).itemsize for name, code in _NUMPY_DTYPES.items()},
    "BF16": 2,
    "F8_E4M3": 1,
    "F8_E5M2": 1,
    "F8_E4M3FNUZ": 1,
    "F8_E5M2FNUZ": 1,
    "F8_E8M0": 1,
}
"""Bytes of an element of each type that is read. Tensors of other types keep their place, and are not read."""


class Tensor(NamedTuple):
    """One tensor in a file.

    Attributes:
        name: Its name.
        dtype: The format's name of its type (F32, BF16, F8_E4M3 …).
        shape: Its shape.
        start: First byte in the file.
        stop: Byte after the last.
    """

    name: str
    dtype: str
    shape: tuple[int, ...]
    start: int
    stop: int

    @property
    def elements(self) -> int:
        """Number of elements."""
        return math.prod(self.shape)


class Header(NamedTuple):
    """Header of a file.

    Attributes:
        tensors: In the order of the data.
        metadata: Free pairs of text.
    """

    tensors: tuple[Tensor, ...]
    metadata: Mapping[str, str]


@prepared
class _Entry(msgspec.Struct):
    dtype: Annotated[str, msgspec.Meta(max_length=_MAX_DTYPE)]
    shape: list[int]
    data_offsets: tuple[int, int]


def read_header(source: ByteSource) -> Header:
    """Return the checked header of a safetensors file.

    Args:
        source: The file.

    Raises:
        WeightsError: It is no such file, is cut short, or its header lies.
    """
    length, text = _header_text(source)
    entries, metadata = _decode(source, text)
    tensors = sorted(
        (_tensor(source, name, entry, 8 + length) for name, entry in entries.items()),
        key=lambda tensor: (tensor.start, tensor.stop),
    )
    _check_order(source, tensors, 8 + length)
    return Header(tuple(tensors), metadata)


def read_metadata(source: ByteSource) -> dict[str, str]:
    """Return the free pairs of text of a safetensors file. Its tensors are not checked, so the rest may be missing.

    Raises:
        WeightsError: It is no such file, or its header cannot be read.
    """
    return dict(_decode(source, _header_text(source)[1])[1])


def _header_text(source: ByteSource) -> tuple[int, bytes]:
    """Return the length of the header and its JSON text."""
    if source.size < 8:
        raise WeightsError(source.name, f"has {source.size} bytes, too few for a header")
    start = source.read(0, min(source.size, 64))
    if start.startswith(_LFS_POINTER):
        raise WeightsError(source.name, "is a Git LFS pointer, not the weights: fetch them with git lfs pull")
    length = int.from_bytes(start[:8], "little")
    if length > MAX_HEADER:
        raise WeightsError(source.name, f"claims a header of {length:,} bytes, more than the format allows")
    if length > source.size - 8:
        raise WeightsError(source.name, f"claims a header of {length:,} bytes and has {source.size - 8:,}")
    return length, source.read(8, 8 + length)


def _check_order(source: ByteSource, tensors: Sequence[Tensor], end: int) -> None:
    """Check that the tensors follow each other without holes up to the end of the file.

    Args:
        source: The file.
        tensors: In the order of the data.
        end: First byte of the data.
    """
    for tensor in tensors:
        if tensor.start != end:
            what = "overlaps the tensor before it" if tensor.start < end else "leaves a hole before it"
            raise WeightsError(source.name, f"tensor {shown(tensor.name)} {what}")
        end = tensor.stop
    if end > source.size:
        raise WeightsError(source.name, f"is cut short: it has {source.size:,} bytes of {end:,}")
    if end < source.size:
        raise WeightsError(source.name, f"has {source.size - end:,} bytes that no tensor claims")


def _decode(source: ByteSource, text: bytes) -> tuple[dict[str, _Entry], dict[str, str]]:
    try:
        raw: dict[str, Any] = msgspec.json.decode(text, type=dict[str, Any])
        repeated = _repeated_keys(text, raw)
        metadata = msgspec.convert(raw.pop(_METADATA, {}), dict[str, str])
        entries = msgspec.convert(raw, dict[str, _Entry])
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise WeightsError(source.name, f"has a header that is no safetensors header ({error})") from error
    if repeated:
        # Other readers take another one of the two, or refuse the file: none of them is what the file holds.
        raise WeightsError(source.name, f"has a header that states {shown(repeated[0])} twice")
    return entries, metadata


def _repeated_keys(text: bytes, raw: Mapping[str, Any]) -> list[str]:
    """Return keys that one object of a header states more than once.

    Args:
        text: The header.
        raw: The same as decoded: of a repeated key the last one.
    """
    # A colon follows each key. So as many colons as keys mean that all differ, and are quick to count.
    if text.count(b":") == len(raw) + sum(len(each) for each in raw.values() if isinstance(each, dict)):
        return []
    repeated: list[str] = []

    def note(pairs: list[tuple[str, Any]]) -> None:
        if len(dict(pairs)) < len(pairs):
            repeated.append(Counter(key for key, _ in pairs).most_common(1)[0][0])

    json.loads(text, object_pairs_hook=note, strict=False)
    return repeated


def _tensor(source: ByteSource, name: str, entry: _Entry, base: int) -> Tensor:
    size = _SIZES.get(entry.dtype)
    begin, end = entry.data_offsets
    if len(entry.shape) > MAX_SIDES:
        raise WeightsError(source.name, f"tensor {shown(name)} has {len(entry.shape):,} sides, more than {MAX_SIDES}")
    if not is_shape(entry.shape) or not 0 <= begin <= end <= MAX_SIDE:
        raise WeightsError(source.name, f"tensor {shown(name)} has impossible offsets or sides")
    if size is not None and math.prod(entry.shape) * size != end - begin:
        raise WeightsError(
            source.name,
            f"tensor {shown(name)} of {entry.dtype} {shown(entry.shape)} cannot take {end - begin:,} bytes",
        )
    return Tensor(name, entry.dtype, tuple(entry.shape), base + begin, base + end)


def read_values(source: ByteSource, tensor: Tensor, first: int = 0, last: int | None = None) -> Floats:
    """Return elements of a tensor, in the order of the file.

    Args:
        source: The file.
        tensor: One of its tensors.
        first: Index of the first element.
        last: Index after the last; the end where None.

    Returns:
        Shape (last - first,), float32, NaN and infinity included.

    Raises:
        WeightsError: The file ends before them.
    """
    size = _SIZES[tensor.dtype]
    stop = tensor.elements if last is None else min(last, tensor.elements)
    data = source.read(tensor.start + first * size, tensor.start + max(stop, first) * size)
    return decode_floats(data, tensor.dtype)


def is_readable(dtype: str) -> bool:
    """Return whether elements of a type can be read."""
    return dtype in _SIZES


def item_size(dtype: str) -> int:
    """Return the bytes that an element of a type takes."""
    return _SIZES[dtype]


def decode_floats(data: bytes, dtype: str) -> Floats:
    """Return raw bytes of a type as float32, shape (elements,)."""
    if dtype == "BF16":
        return (np.frombuffer(data, "<u2").astype(np.uint32) << 16).view(np.float32)
    if dtype in _FLOAT8:
        return _FLOAT8[dtype][np.frombuffer(data, np.uint8)]
    with np.errstate(over="ignore"):
        return np.frombuffer(data, _NUMPY_DTYPES[dtype]).astype(np.float32)


def _float8_values(exponent_bits: int, mantissa_bits: int, *, infinite: bool) -> Floats:
    """Return all 256 values of an 8-bit float (Micikevicius et al., arXiv 2209.05433, table 1), shape (256,)."""
    bias = 2 ** (exponent_bits - 1) - 1
    values = np.empty(256, np.float32)
    for code in range(256):
        sign = -1.0 if code & 0x80 else 1.0
        exponent, mantissa = (code & 0x7F) >> mantissa_bits, code & (2**mantissa_bits - 1)
        if exponent == 2**exponent_bits - 1 and infinite:
            values[code] = sign * math.inf if mantissa == 0 else math.nan
        elif not infinite and code & 0x7F == 0x7F:
            values[code] = math.nan
        elif exponent == 0:
            values[code] = sign * mantissa * 2.0 ** (1 - bias - mantissa_bits)
        else:
            values[code] = sign * (1 + mantissa / 2**mantissa_bits) * 2.0 ** (exponent - bias)
    return values


def _float8_of_amd(exponent_bits: int, mantissa_bits: int) -> Floats:
    """Return all 256 values of an 8-bit float of AMD's first kind (Noune et al., arXiv 2206.02915), shape (256,).

    Its bias is greater by one. All exponents are numbers, and the code of negative zero is the only NaN.
    """
    bias = 2 ** (exponent_bits - 1)
    positive = [
        (mantissa + (2**mantissa_bits if exponent else 0)) * 2.0 ** (max(exponent, 1) - bias - mantissa_bits)
        for exponent in range(2**exponent_bits)
        for mantissa in range(2**mantissa_bits)
    ]
    return np.array([*positive, math.nan, *(-value for value in positive[1:])], np.float32)


_FLOAT8 = {
    "F8_E4M3": _float8_values(4, 3, infinite=False),
    "F8_E5M2": _float8_values(5, 2, infinite=True),
    "F8_E4M3FNUZ": _float8_of_amd(4, 3),
    "F8_E5M2FNUZ": _float8_of_amd(5, 2),
    # Exponents alone, for scales (OCP Microscaling Formats 1.0, section 5.4.1); 255 is NaN.
    "F8_E8M0": np.array([*(2.0 ** (code - 127) for code in range(255)), math.nan], np.float32),
}
