"""GGUF files, local or by HTTP range, read through llama.cpp's own package: rows of any type as float32.

GGUF stores the rows of query and key in another order: the two rows of a rotation are neighbours. They are returned in
the order of transformers.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache, partial
from pathlib import Path
from struct import Struct
from tempfile import NamedTemporaryFile
from typing import Any, NamedTuple, TypeVar

import numpy as np

from atlas_db.core.arrays import Bytes, Floats, Integers
from atlas_db.core.errors import WeightsError
from ingest.formats.byte_source import ByteSource, contiguous_runs

T = TypeVar("T")
MAGIC = b"GGUF"
_PERMUTED_ARCHITECTURES = ("llama",)
"""Architectures whose query and key rows the converter permutes (convert_hf_to_gguf, LlamaModel.permute)."""
_NUMPY_DTYPES = {"F64": "<f8", "I8": "i1", "I16": "<i2", "I32": "<i4", "I64": "<i8"}
_UPGRADE = "The package gguf does not read it: give the model in another type, or leave it out"
_BIG_ENDIAN, _SWAP = 1, "Convert it first: gguf-convert-endian FILE little"
"""llama.cpp's number of that byte order (GGUFEndian.BIG), and what its package offers."""
FIRST_HEADER_BYTES, MAX_HEADER_BYTES = 2**20, 2**28
"""Bytes of a header that are fetched at first, and at most: it contains the vocabulary."""
MAX_ARRAY_ITEMS = 1024
"""Items of an array that is read. Longer ones are vocabularies: tokens, scores, types, merges."""


class GgufTensor(NamedTuple):
    """One tensor of a GGUF file.

    Attributes:
        name: llama.cpp's name.
        dtype: Q4_0, Q6_K, F16 …
        rows: Rows.
        columns: Elements a row.
        source: The file.
        start: First byte in the file.
        row_bytes: Bytes a row.
        heads: Heads whose rows are permuted; 0 where rows are in order.
        shape: Sides, where there are three or more, the last one contiguous; else empty.
    """

    name: str
    dtype: str
    rows: int
    columns: int
    source: ByteSource
    start: int
    row_bytes: int
    heads: int
    shape: tuple[int, ...] = ()

    def read(self, rows: Integers) -> Floats:
        """Return rows as float32, shape (len(rows), columns).

        Raises:
            WeightsError: They cannot be read.
        """
        from gguf import GGMLQuantizationType, quants

        if self.heads:
            half = self.rows // self.heads // 2
            head, within = np.divmod(rows, 2 * half)
            rows = head * 2 * half + (within % half) * 2 + within // half
        raw = self._read_blocks(rows)
        if self.dtype in _NUMPY_DTYPES:
            return raw.view(_NUMPY_DTYPES[self.dtype]).astype(np.float32)
        try:
            return np.asarray(quants.dequantize(raw, GGMLQuantizationType[self.dtype]), np.float32)
        except NotImplementedError as error:
            raise WeightsError(self.source.name, f"has tensors of the type {self.dtype}: {error}", _UPGRADE) from error

    def _read_blocks(self, rows: Integers) -> Bytes:
        """Return the stored bytes of rows, consecutive rows read at once, shape (len(rows), row_bytes)."""
        out = np.empty((len(rows), self.row_bytes), np.uint8)
        for start, stop in contiguous_runs(rows):
            first, last = (self.start + int(row) * self.row_bytes for row in (rows[start], rows[stop - 1] + 1))
            out[start:stop] = np.frombuffer(self.source.read(first, last), np.uint8).reshape(-1, self.row_bytes)
        return out


class GgufHeads(NamedTuple):
    """What a GGUF file states about its kind and about attention.

    Attributes:
        kind: `general.type`: model, adapter, mmproj, imatrix …; empty where it is not stated.
        architecture: llama.cpp's name of the architecture, empty in later parts of a split file.
        heads: Attention heads.
        kv_heads: Heads of keys and values.
    """

    kind: str = ""
    architecture: str = ""
    heads: int = 0
    kv_heads: int = 0


def read_gguf(source: ByteSource, known: GgufHeads | None = None) -> tuple[list[GgufTensor], GgufHeads]:
    """Return the tensors of a GGUF file, whose data is not read yet, and what it states about its kind and attention.

    Args:
        source: The file.
        known: What the first part of a split file states; later parts state nothing themselves.

    Raises:
        WeightsError: It is no GGUF file, is cut short, or its header lies.
    """
    return _read_header(source, partial(_tensors, known=known or GgufHeads()))


def read_gguf_metadata(source: ByteSource) -> dict[str, Any]:
    """Return the pairs `general.*` of a GGUF file: name, licence, base models, source.

    A file without tensors, or one that is cut behind these pairs, still has them.

    Raises:
        WeightsError: It is no GGUF file, is cut within the pairs, or its header lies.
    """
    return _read_header(source, _general, pairs_only=True)


def _read_header(source: ByteSource, read: Callable[[ByteSource, Any], T], *, pairs_only: bool = False) -> T:
    """Read something from the header of a GGUF file.

    llama.cpp's package reads files only. It gets a sparse file of the same length with as much of the header as its
    parser needs.

    Args:
        source: The file.
        read: Reads what is wanted, given the file and the parser.
        pairs_only: Whether the keys and values are enough, without the tensors behind them.
    """
    opened = _pairs_reader if pairs_only else _whole_reader
    if source.size < len(MAGIC) or source.read(0, len(MAGIC)) != MAGIC:
        raise WeightsError(source.name, "is no GGUF file")
    with NamedTemporaryFile(suffix=".gguf") as file:
        file.truncate(source.size)
        fetched, wanted = 0, FIRST_HEADER_BYTES
        while True:
            wanted = min(wanted, source.size)
            file.write(source.read(fetched, wanted))
            file.flush()
            fetched = wanted
            try:
                return read(source, opened(Path(file.name), fetched))
            except WeightsError:
                raise
            except (OSError, ValueError, IndexError, KeyError, TypeError, OverflowError, MemoryError) as error:
                # Bytes that were not fetched yet read as zeros, on which the parser may fail in any of these ways.
                if "GGMLQuantizationType" in str(error):
                    raise WeightsError(source.name, f"has tensors of a newer type: {error}", _UPGRADE) from error
                if fetched in (source.size, MAX_HEADER_BYTES):
                    raise WeightsError(source.name, f"has a header that is no GGUF header ({error})") from error
                wanted = min(fetched * 8, MAX_HEADER_BYTES)


@cache
def _reader_class() -> Any:  # noqa: ANN401
    """Return llama.cpp's reader, but long arrays are passed over.

    It keeps a NumPy array for each token of the vocabulary: 17 s of 18 for a file of 256,000 tokens and their merges.
    """
    from gguf import GGUFEndian, GGUFReader, GGUFValueType

    strings, arrays = GGUFValueType.STRING, GGUFValueType.ARRAY

    class HeaderReader(GGUFReader):
        def __init__(self, file: Path, fetched: int) -> None:
            self.fetched = fetched
            super().__init__(file)

        def _get_field_parts(self, orig_offs: int, raw_type: int) -> tuple[int, list[Any], list[int], list[Any]]:
            if raw_type == arrays:
                item, count = int(self._get(orig_offs, np.uint32)[0]), int(self._get(orig_offs + 4, np.uint64)[0])
                if count > MAX_ARRAY_ITEMS and item != arrays:
                    start = orig_offs + 12
                    stop = self._after_texts(start, count) if item == strings else start + count * self._bytes(item)
                    return stop - orig_offs, [], [], [GGUFValueType.ARRAY, GGUFValueType(item)]
            found: tuple[int, list[Any], list[int], list[Any]] = super()._get_field_parts(orig_offs, raw_type)
            return found

        def _bytes(self, item: int) -> int:
            return int(np.dtype(self.gguf_scalar_to_np[GGUFValueType(item)]).itemsize)

        def _after_texts(self, start: int, count: int) -> int:
            """Return the first byte behind texts, each of which states its length."""
            length = Struct("<Q" if self.endianess == GGUFEndian.LITTLE else ">Q")
            data = self.data.data
            for _ in range(count):
                if start + length.size > self.fetched:
                    raise ValueError(f"it goes on beyond byte {self.fetched:,}")
                start += length.size + length.unpack_from(data, start)[0]
            return start

    return HeaderReader


def _whole_reader(file: Path, fetched: int) -> Any:  # noqa: ANN401
    reader = _reader_class()(file, fetched)
    if reader.data_offset > fetched:
        raise ValueError(f"it goes on beyond byte {fetched:,}")
    return reader


def _pairs_reader(file: Path, fetched: int) -> Any:  # noqa: ANN401
    class PairsReader(_reader_class()):  # type: ignore[misc]
        """Reads keys and values alone, so that tensors that are missing or cut off do not matter."""

        def _build_tensor_info(self, offs: int, count: int) -> tuple[int, list[Any]]:
            # Of a text that is cut off, llama.cpp's package returns the rest. Tensors behind it show that it is whole.
            if offs > fetched or (count and offs == fetched):
                raise ValueError(f"it goes on beyond byte {fetched:,}")
            return offs, []

    return PairsReader(file, fetched)


def _general(_: ByteSource, reader: Any) -> dict[str, Any]:  # noqa: ANN401
    return {name: field.contents() for name, field in reader.fields.items() if name.startswith("general.")}


def _tensors(
    source: ByteSource,
    reader: Any,  # noqa: ANN401
    known: GgufHeads,
) -> tuple[list[GgufTensor], GgufHeads]:
    if reader.endianess == _BIG_ENDIAN:
        raise WeightsError(source.name, "has the byte order of big-endian machines", _SWAP)
    architecture = _text(reader, "general.architecture")
    if architecture:
        heads = int(_number(reader, f"{architecture}.attention.head_count"))
        kv_heads = int(_number(reader, f"{architecture}.attention.head_count_kv")) or heads
        known = GgufHeads(_text(reader, "general.type"), architecture, heads, kv_heads)
    return [_tensor(source, item, known.heads, known.kv_heads, known.architecture) for item in reader.tensors], known


def _tensor(source: ByteSource, item: Any, heads: int, kv_heads: int, architecture: str) -> GgufTensor:  # noqa: ANN401
    columns = int(item.shape[0])
    rows = int(np.prod(item.shape[1:], dtype=np.int64)) if len(item.shape) > 1 else 1
    size = int(item.n_bytes)
    if rows and size % rows:
        raise ValueError(f"rows of {item.name} end within a block")
    permuted_heads = 0
    if architecture in _PERMUTED_ARCHITECTURES:
        permuted_heads = {"attn_q": heads, "attn_k": kv_heads}.get(item.name.split(".")[-2], 0)
    start, kind = int(item.data_offset), item.tensor_type.name
    sides = tuple(int(side) for side in reversed(item.shape)) if len(item.shape) > 2 else ()
    return GgufTensor(item.name, kind, rows, columns, source, start, size // max(rows, 1), permuted_heads, sides)


def _text(reader: Any, key: str) -> str:  # noqa: ANN401
    field = reader.get_field(key)
    return str(field.contents()) if field is not None else ""


def _number(reader: Any, key: str) -> float:  # noqa: ANN401
    field = reader.get_field(key)
    value = field.contents() if field is not None else 0
    return float(value) if isinstance(value, int | float) else 0.0
