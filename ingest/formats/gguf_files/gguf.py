"""GGUF files, local or by HTTP range: headers read through llama.cpp's own package, rows of any type as float32.

llama.cpp's converter puts rows of some matrices in another order, and adds to some norms. They are returned as
transformers has them.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from functools import cache, partial
from pathlib import Path
from struct import Struct
from tempfile import NamedTemporaryFile
from typing import Any, Literal, NamedTuple, TypeVar

import numpy as np

from atlas_db.core.arrays import Floats, Integers
from atlas_db.core.errors import WeightsError
from atlas_db.core.safe_text import shown
from ingest.formats.byte_source import ByteSource, read_rows
from ingest.formats.gguf_files.gguf_names import FUSED_BY_HEAD, PERMUTED, SHIFTED_NORMS, TRANSPOSED
from ingest.formats.gguf_files.gguf_types import GgufType, gguf_type, gguf_values
from ingest.formats.matrix import MAX_SIDES, is_shape

T = TypeVar("T")
MAGIC = b"GGUF"
_UPGRADE = "The package gguf does not read it: give the model in another type, or leave it out"
_BIG_ENDIAN, _SWAP = 1, "Convert it first: gguf-convert-endian FILE little"
"""llama.cpp's number of that byte order (GGUFEndian.BIG), and what its package offers."""
FIRST_HEADER_BYTES, MAX_HEADER_BYTES = 2**20, 2**28
"""Bytes of a header that are fetched at first, and at most: it contains the vocabulary."""
_COUNTS = range(4, 24)
"""Bytes of version, number of tensors, and number of keys."""
MAX_ARRAY_ITEMS = 1024
"""Items of an array that is read. Longer ones are vocabularies: tokens, scores, types, merges."""
MAX_PAIRS, MAX_TENSORS, MAX_ITEMS, MAX_DEPTH = 2**12, 2**15, 2**16, 8
"""Keys, tensors, items of all arrays that are read, and arrays inside each other, at most.

llama.cpp's package keeps up to 4.5 kB for each. The largest models state some thousand tensors and a hundred keys.
"""
_ROWS_AT_ONCE = 256
"""Rows of a transposed matrix that are read at once: bounds the memory."""


class _ExcessError(Exception):
    """A header states more than is read of any."""


class RowOrder(NamedTuple):
    """How rows of a tensor are stored, of which llama.cpp's converter changes the order.

    Attributes:
        heads: Heads of the matrix; 0 where rows are in order.
        parts: Parts of a head that lie apart: 2 halves of rotations take turns, or 3 matrices follow each other.
    """

    heads: int = 0
    parts: int = 2

    def stored(self, rows: Integers, count: int) -> Integers:
        """Return where rows are stored.

        Args:
            rows: Rows as transformers has them.
            count: Rows of the tensor.
        """
        if not self.heads or count % (self.heads * self.parts):
            return rows
        length = count // self.heads // self.parts
        head, within = np.divmod(rows, self.parts * length)
        part, place = np.divmod(within, length)
        if self.parts == 2:
            return np.asarray(head * 2 * length + place * 2 + part)
        return np.asarray((part * self.heads + head) * length + place)


class GgufTensor(NamedTuple):
    """One tensor of a GGUF file.

    Attributes:
        name: llama.cpp's name.
        kind: Its type.
        rows: Rows.
        columns: Elements a row.
        source: The file.
        start: First byte in the file.
        row_bytes: Bytes a row.
        order: Order of the rows, or of the elements of a vector.
        shift: What the converter added to each element.
        shape: Sides, where there are three or more, the last one contiguous; else empty.
    """

    name: str
    kind: GgufType
    rows: int
    columns: int
    source: ByteSource
    start: int
    row_bytes: int
    order: RowOrder = RowOrder()
    shift: float = 0.0
    shape: tuple[int, ...] = ()

    @property
    def dtype(self) -> str:
        """llama.cpp's name of the type, such as Q6_K."""
        return self.kind.name

    def read(self, rows: Integers) -> Floats:
        """Return rows as float32, shape (len(rows), columns).

        Raises:
            WeightsError: They cannot be read.
        """
        stored = rows if self.rows == 1 else self.order.stored(rows, self.rows)
        raw = read_rows(self.source, self.start, stored, self.row_bytes)
        try:
            with np.errstate(invalid="ignore", over="ignore"):
                values = gguf_values(raw, self.kind)
        except NotImplementedError as error:
            raise WeightsError(self.source.name, f"has tensors of the type {self.dtype}: {error}", _UPGRADE) from error
        if self.rows == 1:
            values = values[:, self.order.stored(np.arange(self.columns), self.columns)]
        return values - np.float32(self.shift) if self.shift else values

    def read_columns(self, columns: Integers) -> Floats:
        """Return columns as float32, shape (len(columns), rows). Blocks lie along rows, so all of them are read.

        Raises:
            WeightsError: They cannot be read.
        """
        out = np.empty((len(columns), self.rows), np.float32)
        for start in range(0, self.rows, _ROWS_AT_ONCE):
            rows = np.arange(start, min(start + _ROWS_AT_ONCE, self.rows))
            out[:, rows] = self.read(rows)[:, columns].T
        return out


class GgufHeads(NamedTuple):
    """What a GGUF file states about its kind and about attention.

    Attributes:
        kind: `general.type`: model, adapter, mmproj, imatrix …; empty where it is not stated.
        architecture: llama.cpp's name of the architecture, empty in later parts of a split file.
        heads: Attention heads: one number, or one a block.
        kv_heads: Heads of keys and values, likewise.
        base: Address of its first base model, empty where it is not stated.
    """

    kind: str = ""
    architecture: str = ""
    heads: tuple[int, ...] = ()
    kv_heads: tuple[int, ...] = ()
    base: str = ""


class GgufFile(NamedTuple):
    """What a GGUF file holds.

    Attributes:
        tensors: Its tensors, whose data is not read yet.
        heads: What it states about its kind and about attention.
        unread: Names of tensors of types that are not known, by number of the type.
    """

    tensors: list[GgufTensor]
    heads: GgufHeads
    unread: Mapping[int, Sequence[str]]

    @property
    def unknown_types(self) -> dict[str, Sequence[str]]:
        """Names of tensors of types that are not known, by words for the type."""
        return {
            f"the type {number}, which the package gguf does not know": names for number, names in self.unread.items()
        }


def read_gguf(source: ByteSource, known: GgufHeads | None = None) -> GgufFile:
    """Return the tensors of a GGUF file, and what it states about its kind and attention.

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
    _require_few(source)
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
            except _ExcessError as error:
                raise WeightsError(source.name, f"has a header with {error}") from None
            except (OSError, ValueError, IndexError, KeyError, TypeError, OverflowError, MemoryError) as error:
                # Bytes that were not fetched yet read as zeros, on which the parser may fail in any of these ways.
                if fetched in (source.size, MAX_HEADER_BYTES):
                    raise WeightsError(source.name, f"has a header that is no GGUF header ({error})") from error
                wanted = min(fetched * 8, MAX_HEADER_BYTES)


def _require_few(source: ByteSource) -> None:
    """Refuse a file that states too many tensors or keys.

    Raises:
        WeightsError: It does, or ends before it states them.
    """
    if source.size < _COUNTS.stop:
        raise WeightsError(source.name, "has a header that is no GGUF header (it is cut short)")
    head = source.read(_COUNTS.start, _COUNTS.stop)
    # llama.cpp counts versions in the lower half of the number. In the other byte order it is the upper half.
    order: Literal["little", "big"] = "little" if any(head[:2]) else "big"
    for start, limit, what in ((4, MAX_TENSORS, "tensors"), (12, MAX_PAIRS, "keys")):
        if int.from_bytes(head[start : start + 8], order) > limit:
            raise WeightsError(source.name, f"has a header with more than {limit:,} {what}")


def _require_at_most(count: int, limit: int, what: str) -> None:
    if count > limit:
        raise _ExcessError(f"more than {limit:,} {what}")


def _after_texts(reader: Any, start: int, count: int) -> int:  # noqa: ANN401
    """Return the first byte behind texts, each of which states its length."""
    length = Struct(">Q" if reader.endianess == _BIG_ENDIAN else "<Q")
    data = reader.data.data
    for _ in range(count):
        reader.require_fetched(start + length.size)
        start += length.size + length.unpack_from(data, start)[0]
    return start


@cache
def _reader_class() -> Any:  # noqa: ANN401
    """Return llama.cpp's reader, but long arrays are passed over.

    It keeps a NumPy array for each token of the vocabulary: 17 s of 18 for a file of 256,000 tokens and their merges.
    """
    from gguf import GGUFReader, GGUFValueType

    strings, arrays = GGUFValueType.STRING, GGUFValueType.ARRAY

    class HeaderReader(GGUFReader):
        def __init__(self, file: Path, fetched: int) -> None:
            self.fetched = fetched
            self.items = self.depth = 0
            super().__init__(file)

        def _get_tensor_info_field(self, orig_offs: int) -> Any:  # noqa: ANN401
            # Zeros behind what was fetched are names without letters, as many as a count that lies says.
            sides = _after_texts(self, orig_offs, 1)
            self.require_fetched(sides + 4)
            _require_at_most(int(self._get(sides, np.uint32)[0]), MAX_SIDES, "sides of a tensor")
            return super()._get_tensor_info_field(orig_offs)

        def _get_field_parts(self, orig_offs: int, raw_type: int) -> tuple[int, list[Any], list[int], list[Any]]:
            self.require_fetched(orig_offs)
            if raw_type == arrays:
                item, count = int(self._get(orig_offs, np.uint32)[0]), int(self._get(orig_offs + 4, np.uint64)[0])
                if count > MAX_ARRAY_ITEMS and item != arrays:
                    start = orig_offs + 12
                    stop = _after_texts(self, start, count) if item == strings else start + count * self._bytes(item)
                    return stop - orig_offs, [], [], [GGUFValueType.ARRAY, GGUFValueType(item)]
                self.items += count
                _require_at_most(self.items, MAX_ITEMS, "items of arrays")
            self.depth += 1
            _require_at_most(self.depth, MAX_DEPTH, "arrays inside each other")
            found: tuple[int, list[Any], list[int], list[Any]] = super()._get_field_parts(orig_offs, raw_type)
            self.depth -= 1
            return found

        def _build_tensors(self, start_offs: int, fields: list[Any]) -> None:
            # Data is not mapped, and types that the package does not know cost their tensor alone.
            self.tensors: list[Any] = []
            for field in fields:
                _, name, _, sides, kind, offset = field.parts
                item = _Item(bytes(name).decode(), tuple(map(int, sides)), int(kind[0]), start_offs + int(offset[0]))
                self.tensors.append(item)
            name, count = Counter(item.name for item in self.tensors).most_common(1)[0] if fields else ("", 0)
            if count > 1:
                raise ValueError(f"it states {shown(name)} twice")

        def require_fetched(self, place: int) -> None:
            if place > self.fetched:
                raise ValueError(f"it goes on beyond byte {self.fetched:,}")

        def _bytes(self, item: int) -> int:
            return int(np.dtype(self.gguf_scalar_to_np[GGUFValueType(item)]).itemsize)

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


class _Item(NamedTuple):
    """What a header states of a tensor.

    Attributes:
        name: Its name.
        sides: Its sides, the contiguous one first.
        number: Number of its type.
        start: First byte in the file.
    """

    name: str
    sides: tuple[int, ...]
    number: int
    start: int


def _tensors(source: ByteSource, reader: Any, known: GgufHeads) -> GgufFile:  # noqa: ANN401
    if reader.endianess == _BIG_ENDIAN:
        raise WeightsError(source.name, "has the byte order of big-endian machines", _SWAP)
    architecture = _text(reader, "general.architecture")
    if architecture:
        heads = _counts(reader, f"{architecture}.attention.head_count")
        kv_heads = _counts(reader, f"{architecture}.attention.head_count_kv") or heads
        base = _text(reader, "general.base_model.0.repo_url")
        known = GgufHeads(_text(reader, "general.type"), architecture, heads, kv_heads, base)
    items: list[_Item] = reader.tensors
    starts = sorted({item.start for item in items})
    ends = dict(zip(starts, [*starts[1:], source.size], strict=False))
    found, unread = [], defaultdict(list)
    for item in items:
        if not is_shape(item.sides):
            raise ValueError(f"{shown(item.name)} has impossible sides")
        kind = gguf_type(item.number, math.prod(item.sides), ends[item.start] - item.start)
        if kind is None:
            unread[item.number].append(item.name)
        else:
            found.append(_tensor(source, item, kind, known))
    return GgufFile(found, known, unread)


def _tensor(source: ByteSource, item: _Item, kind: GgufType, known: GgufHeads) -> GgufTensor:
    columns, *others = item.sides
    rows = math.prod(others)
    if not rows * columns:
        raise ValueError(f"{shown(item.name)} has a side of 0")
    if columns % kind.block:
        raise ValueError(f"rows of {shown(item.name)} end within a block")
    row_bytes = columns // kind.block * kind.block_bytes
    if item.start + rows * row_bytes > source.size:
        raise ValueError(f"{shown(item.name)} goes on beyond the end of the file")
    shift = 1.0 if known.architecture in SHIFTED_NORMS and item.name.endswith("norm.weight") else 0.0
    sides = tuple(reversed(item.sides)) if len(item.sides) > 2 else ()
    order = _order(item.name, known)
    return GgufTensor(item.name, kind, rows, columns, source, item.start, row_bytes, order, shift, sides)


def _order(name: str, known: GgufHeads) -> RowOrder:
    parts = name.split(".")
    stem = parts[-2] if len(parts) > 1 else ""
    layer = int(parts[1]) if len(parts) > 2 and parts[1].isdecimal() else 0
    if known.architecture in PERMUTED and stem in ("attn_q", "attn_k"):
        return RowOrder(_of_layer(known.heads if stem == "attn_q" else known.kv_heads, layer))
    if known.architecture in FUSED_BY_HEAD and stem == "attn_qkv":
        return RowOrder(_of_layer(known.heads, layer), 3)
    return RowOrder()


def is_transposed(name: str, architecture: str) -> bool:
    """Return whether the converter transposes a tensor, by llama.cpp's names."""
    parts = name.split(".")
    return len(parts) == 4 and parts[3] == "weight" and parts[2] in TRANSPOSED.get(architecture, ())


def _of_layer(counts: Sequence[int], layer: int) -> int:
    return counts[layer] if len(counts) > 1 and layer < len(counts) else next(iter(counts), 0)


def _text(reader: Any, key: str) -> str:  # noqa: ANN401
    field = reader.get_field(key)
    return str(field.contents()) if field is not None else ""


def _counts(reader: Any, key: str) -> tuple[int, ...]:  # noqa: ANN401
    """Return a number, or the numbers of a list, as a header states them."""
    field = reader.get_field(key)
    value = field.contents() if field is not None else []
    return tuple(int(each) for each in (value if isinstance(value, list) else [value]) if isinstance(each, int | float))
