"""Weights of an ONNX graph as matrices, named by the modules that they come from.

An exporter keeps a module's name in that of the initializer, in that of the node, or in its metadata. MatMul keeps its
weights in × out, and Gemm by `transB`. Quantized weights are `MatMulNBits` (ONNX Runtime), `DequantizeLinear`, and
`MatMulInteger` with a scale of the same name.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

import numpy as np

from atlas_db.core.arrays import Floats, Integers
from ingest.formats.byte_source import read_columns, read_rows, reads_columns
from ingest.formats.matrix import Matrix
from ingest.formats.onnx_files.onnx_graph import Initializer, Node, OnnxGraph
from ingest.formats.quantized.stored_tensors import bit_fields
from ingest.formats.safetensors import decode_floats, item_size

_PLACES = {"MatMul": 1, "Gemm": 1, "Gather": 0, "MatMulInteger": 1}
"""Which input of a node is a matrix of weights."""
_ENDS = re.compile(r"(?:\.MatMul)?\.weight(?:_(?:quantized|quant|Q\d|DequantizeLinear\w*))*$")
_QUANTIZED = ("_quantized", "_quant")
_INTEGERS = ("U8", "I8")
_UNKNOWN = "ONNX whose module or scale is not known"
_TOO_LARGE = "ONNX, stored in × out and too large to be read by ranges: download the model first"
MAX_WHOLE_REQUEST_BYTES = 2**24
"""Bytes of a matrix in × out that is read whole by ranges, at most: those of encoders are smaller."""


def onnx_matrices(graph: OnnxGraph) -> tuple[list[Matrix], dict[str, list[str]]]:
    """Return the matrices and vectors of a graph under the names of modules, and what is not read, by reason.

    Args:
        graph: The graph.
    """
    made = {output: node for node in graph.nodes if node.kind == "DequantizeLinear" for output in node.outputs}
    found: dict[str, Matrix] = {}
    unread: dict[str, list[str]] = {}
    for node in graph.nodes:
        if node.kind == "MatMulNBits":
            matrix, name = _packed(node, graph), node.inputs[1] if len(node.inputs) > 1 else node.name
        elif node.kind in _PLACES and len(node.inputs) > _PLACES[node.kind]:
            name = node.inputs[_PLACES[node.kind]]
            weight = _weight(name, node, graph, made)
            if weight is None or len(weight.shape) != 2:
                continue
            if _is_in_out(node) and not reads_columns(weight.source, _bytes_of(weight), MAX_WHOLE_REQUEST_BYTES):
                unread.setdefault(_TOO_LARGE, []).append(name)
                continue
            matrix = _plain(weight, node, graph, made)
        else:
            continue
        if matrix is None:
            unread.setdefault(_UNKNOWN, []).append(name)
        else:
            found.setdefault(matrix.name, matrix)
    for vector in _vectors(graph):
        found.setdefault(vector.name, vector)
    return list(found.values()), unread


def _weight(name: str, node: Node, graph: OnnxGraph, made: dict[str, Node]) -> Initializer | None:
    """Return the initializer that a node reads, also through a `DequantizeLinear`."""
    source = made.get(name)
    return graph.initializers.get(source.inputs[0] if source is not None and source.inputs else name)


def _module(weight: str, node: Node) -> str:
    """Return the path of the module whose weights these are; empty where nothing states it."""
    if _ENDS.search(weight):
        return _ENDS.sub("", weight)
    if node.module:
        return node.module
    path = node.name.strip("/").split("/")
    return ".".join(path[:-1])


def _plain(weight: Initializer, node: Node, graph: OnnxGraph, made: dict[str, Node]) -> Matrix | None:
    module = _module(weight.name, node)
    in_out = _is_in_out(node)
    rows, columns = weight.shape[::-1] if in_out else weight.shape
    scale = _scale(weight, node, graph, made, rows)
    if not module or not weight.dtype or weight.numbers or scale is None or 0 in weight.shape:
        return None
    item = item_size(weight.dtype)

    def read(wanted: Integers) -> Floats:
        if in_out:
            raw = read_columns(weight.source, weight.start, weight.shape, item, wanted)
        else:
            raw = read_rows(weight.source, weight.start, wanted, columns * item)
        return scale(decode_floats(raw.tobytes(), weight.dtype).reshape(len(wanted), columns), wanted)

    return Matrix(f"{module}.weight", int(rows), int(columns), weight.dtype, False, read)


def _is_in_out(node: Node) -> bool:
    """Return whether a node keeps its weights in × out."""
    return node.kind in ("MatMul", "MatMulInteger") or (node.kind == "Gemm" and not node.attributes.get("transB"))


def _bytes_of(weight: Initializer) -> int:
    return int(np.prod(weight.shape, dtype=np.float64)) * (item_size(weight.dtype) if weight.dtype else 0)


def _scale(
    weight: Initializer, node: Node, graph: OnnxGraph, made: dict[str, Node], rows: int
) -> Callable[[Floats, Integers], Floats] | None:
    """Return a function of codes and their rows to values; None where the scale is not known."""
    if weight.dtype not in _INTEGERS:
        return lambda values, _: values
    source = made.get(node.inputs[_PLACES[node.kind]])
    if source is not None:
        names = [*source.inputs[1:], ""]
    else:
        base = next((weight.name.removesuffix(end) for end in _QUANTIZED if weight.name.endswith(end)), weight.name)
        names = [f"{base}_scale", f"{base}_zero_point"]
    factor, zero = (graph.initializers.get(name) for name in names[:2])
    parts = [_small(part, rows) for part in (factor, zero)]
    if parts[0] is None or (zero is not None and parts[1] is None):
        return None
    step, offset = parts[0], parts[1] if parts[1] is not None else np.zeros(1, np.float32)

    def scaled(values: Floats, wanted: Integers) -> Floats:
        first, second = (part[wanted][:, None] if len(part) > 1 else part for part in (step, offset))
        return np.asarray((values - second) * first, np.float32)

    return scaled


def _small(part: Initializer | None, rows: int) -> Floats | None:
    """Return the numbers of an initializer that has one, or one a row; None where it has neither."""
    if part is None or not part.dtype or part.shape not in ((), (1,), (rows,)):
        return None
    if part.numbers:
        return np.array(part.numbers, np.float32)
    count = rows if part.shape == (rows,) else 1
    return decode_floats(part.source.read(part.start, part.start + count * item_size(part.dtype)), part.dtype)


def _packed(node: Node, graph: OnnxGraph) -> Matrix | None:
    """Return the matrix of a `MatMulNBits` node: codes in blocks along the inputs, the lowest bits first."""
    parts = [graph.initializers.get(name) for name in node.inputs[1:4]]
    rows, columns, bits, block = (node.attributes.get(key, 0) for key in ("N", "K", "bits", "block_size"))
    if len(parts) < 2 or bits not in (2, 4, 8) or min(rows, columns, block) < 1 or block * bits % 8:
        return None
    codes, scales = parts[0], parts[1]
    groups, block_bytes = -(-columns // block), block * bits // 8
    if (
        codes is None
        or scales is None
        or codes.numbers
        or codes.dtype != "U8"
        or codes.shape != (rows, groups, block_bytes)
    ):
        return None
    zeros = parts[2] if len(parts) > 2 else None
    zero_bytes = -(-groups * bits // 8)
    if not _has(scales, rows * groups) or scales.dtype in _INTEGERS:
        return None
    if zeros is not None and (zeros.dtype != "U8" or not _has(zeros, rows * zero_bytes)):
        return None
    module = _module(codes.name, node)
    if not module:
        return None
    known: tuple[Initializer, Initializer] = codes, scales
    item = item_size(scales.dtype)

    def read(wanted: Integers) -> Floats:
        raw = read_rows(known[0].source, known[0].start, wanted, groups * block_bytes)
        fields = bit_fields(raw, bits).reshape(len(wanted), groups, block)
        found = read_rows(known[1].source, known[1].start, wanted, groups * item)
        factor = decode_floats(found.tobytes(), known[1].dtype).reshape(len(wanted), groups, 1)
        offset: Integers | int = 2 ** (bits - 1)
        if zeros is not None:
            stored = read_rows(zeros.source, zeros.start, wanted, zero_bytes)
            offset = bit_fields(stored, bits)[:, :groups, None]
        return np.asarray(((fields - offset) * factor).reshape(len(wanted), -1)[:, :columns], np.float32)

    return Matrix(f"{module}.weight", rows, columns, f"ONNX{bits}", False, read)


def _has(part: Initializer, elements: int) -> bool:
    return bool(part.dtype) and not part.numbers and int(np.prod(part.shape, dtype=np.float64)) == elements


def _vectors(graph: OnnxGraph) -> Iterator[Matrix]:
    """Yield the norms and biases whose names the exporter kept."""
    for part in graph.initializers.values():
        if (
            len(part.shape) == 1
            and part.shape[0] > 0
            and part.dtype
            and not part.numbers
            and part.name.endswith((".weight", ".bias"))
        ):
            yield _vector(part)


def _vector(part: Initializer) -> Matrix:
    size = part.shape[0] * item_size(part.dtype)

    def read(_: Integers) -> Floats:
        return decode_floats(part.source.read(part.start, part.start + size), part.dtype)[None]

    return Matrix(part.name, 1, part.shape[0], part.dtype, True, read)
