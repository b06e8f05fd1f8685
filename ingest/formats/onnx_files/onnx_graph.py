"""The graph of an ONNX file: its nodes, and where its initializers lie, in the file or in others (onnx.proto3)."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from pathlib import PurePosixPath
from typing import NamedTuple

from atlas_db.core.errors import WeightsError
from atlas_db.core.safe_text import shown
from ingest.formats.byte_source import ByteSource
from ingest.formats.matrix import MAX_SIDES, is_shape
from ingest.formats.onnx_files.protobuf_fields import MAX_VARINT, Field, ProtobufFile
from ingest.formats.safetensors import item_size

_MODEL_GRAPH = 7
_GRAPH_NODE, _GRAPH_INITIALIZER = 1, 5
_NODE_INPUT, _NODE_OUTPUT, _NODE_NAME, _NODE_OP, _NODE_ATTRIBUTE, _NODE_METADATA = 1, 2, 3, 4, 5, 9
_ATTRIBUTE_NAME, _ATTRIBUTE_INTEGER = 1, 3
_TENSOR_DIMS, _TENSOR_TYPE, _TENSOR_FLOATS, _TENSOR_INTEGERS = 1, 2, 4, 5
_TENSOR_NAME, _TENSOR_RAW, _TENSOR_EXTERNAL = 8, 9, 13
_ENTRY_KEY, _ENTRY_VALUE = 1, 2
_SCOPES = "pkg.torch.onnx.name_scopes"
"""Metadata in which torch's exporter keeps the modules that a node comes from, the outermost first."""
_DTYPES = {
    1: "F32", 2: "U8", 3: "I8", 10: "F16", 11: "F64", 16: "BF16", 17: "F8_E4M3", 18: "F8_E4M3FNUZ", 19: "F8_E5M2",
    20: "F8_E5M2FNUZ",
}  # fmt: skip
"""Types of onnx (TensorProto.DataType) whose elements take whole bytes, by the names that safetensors has."""
MAX_NODES = 2**20
MAX_NUMBERS = 2**20
"""Whole numbers that are kept of all initializers, and bytes of those of one: zero points."""
_MAX_DIMS = MAX_SIDES * MAX_VARINT
"""Bytes of the sides of a tensor, at most."""
_MAX_DIGITS = 19
"""Digits of the place of weights in another file, at most: those of 64 bits."""


class Initializer(NamedTuple):
    """A constant of the graph.

    Attributes:
        name: Its name.
        dtype: Its type; empty where it is not read.
        shape: Its sides.
        source: The file that it lies in.
        start: First byte in that file.
        numbers: Its elements, where they are few whole numbers that lie in the header.
    """

    name: str
    dtype: str
    shape: tuple[int, ...]
    source: ByteSource
    start: int
    numbers: tuple[int, ...] = ()


class Node(NamedTuple):
    """A node of the graph.

    Attributes:
        kind: Its operator.
        name: Its name.
        inputs: Names of what it reads.
        outputs: Names of what it makes.
        attributes: Its settings that are whole numbers.
        module: Path of the module that it comes from, as the exporter states it, or empty.
    """

    kind: str
    name: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    attributes: Mapping[str, int]
    module: str


class OnnxGraph(NamedTuple):
    """A graph.

    Attributes:
        nodes: In the order of the file.
        initializers: By name.
    """

    nodes: list[Node]
    initializers: dict[str, Initializer]


def read_graph(source: ByteSource, opened: Callable[[str], ByteSource]) -> OnnxGraph:
    """Return the graph of an ONNX file. No weights are read.

    Args:
        source: The file.
        opened: Opens another file of its folder, in which weights lie.

    Raises:
        WeightsError: It is no ONNX file, is cut short, names a file outside of its folder, or lies about sizes.
    """
    file = ProtobufFile(source)
    graph, kept = OnnxGraph([], {}), 0
    for part in file.fields(0, source.size):
        if part.number == _MODEL_GRAPH:
            for field in file.fields(part.start, part.stop):
                if field.number == _GRAPH_NODE and len(graph.nodes) < MAX_NODES:
                    graph.nodes.append(_node(file, field))
                elif field.number == _GRAPH_INITIALIZER and len(graph.initializers) < MAX_NODES:
                    found = _initializer(file, field, opened)
                    if kept + len(found.numbers) > MAX_NUMBERS:  # then it is as one of a type that is not read
                        found = found._replace(dtype="", numbers=())
                    kept += len(found.numbers)
                    graph.initializers[found.name] = found
    if not graph.nodes:
        raise WeightsError(source.name, "has no graph of ONNX")
    return graph


def _node(file: ProtobufFile, message: Field) -> Node:
    texts: dict[int, list[str]] = {_NODE_INPUT: [], _NODE_OUTPUT: [], _NODE_NAME: [""], _NODE_OP: [""]}
    attributes, module = {}, ""
    for field in file.fields(message.start, message.stop):
        if field.number in texts:
            texts[field.number].append(file.text(field))
        elif field.number == _NODE_ATTRIBUTE:
            name, value = "", 0
            for part in file.fields(field.start, field.stop):
                name = file.text(part) if part.number == _ATTRIBUTE_NAME else name
                value = part.value if part.number == _ATTRIBUTE_INTEGER else value
            attributes[name] = value
        elif field.number == _NODE_METADATA:
            key, value_text = _entry(file, field)
            module = _module(value_text) if key == _SCOPES else module
    inputs, outputs = (tuple(texts[number]) for number in (_NODE_INPUT, _NODE_OUTPUT))
    return Node(texts[_NODE_OP][-1], texts[_NODE_NAME][-1], inputs, outputs, attributes, module)


def _module(scopes: str) -> str:
    """Return the innermost module of a list of scopes, whose last item is the node itself."""
    parts = [part.strip(" '\"") for part in scopes.strip("[]").split(",")]
    return parts[-2] if len(parts) > 1 else ""


def _entry(file: ProtobufFile, message: Field) -> tuple[str, str]:
    """Return key and value of a pair of texts."""
    texts = {field.number: file.text(field) for field in file.fields(message.start, message.stop)}
    return texts.get(_ENTRY_KEY, ""), texts.get(_ENTRY_VALUE, "")


def _initializer(file: ProtobufFile, message: Field, opened: Callable[[str], ByteSource]) -> Initializer:
    name, kind, shape, numbers = "", 0, list[int](), list[int]()
    data: tuple[int, int] | None = None
    external: dict[str, str] = {}
    for field in file.fields(message.start, message.stop):
        if field.number == _TENSOR_NAME:
            name = file.text(field)
        elif field.number == _TENSOR_TYPE:
            kind = field.value
        elif field.number == _TENSOR_DIMS:
            if field.stop - field.start > _MAX_DIMS or len(shape) > MAX_SIDES:
                raise WeightsError(file.source.name, f"has a tensor of more than {MAX_SIDES} sides")
            shape += file.numbers(field)
        elif field.number == _TENSOR_INTEGERS and field.stop - field.start + len(numbers) <= MAX_NUMBERS:
            numbers += [number - 2**64 if number >= 2**63 else number for number in file.numbers(field)]
        elif field.number in (_TENSOR_RAW, _TENSOR_FLOATS):
            data = field.start, field.stop
        elif field.number == _TENSOR_EXTERNAL:
            key, value = _entry(file, field)
            external[key] = value
    if not is_shape(shape):
        raise WeightsError(file.source.name, f"tensor {shown(name)} has impossible sides")
    dtype = _DTYPES.get(kind, "")
    source: ByteSource = file.source
    if external:
        source, data = _external(file.source.name, external, opened)
    size = math.prod(shape) * (item_size(dtype) if dtype else 0)
    if data is None and numbers and len(numbers) == math.prod(shape):
        return Initializer(name, dtype, tuple(shape), source, 0, tuple(numbers))
    if data is None or data[1] - data[0] != size:
        # Numbers of other kinds of storage, and of types of less than a byte.
        return Initializer(name, "", tuple(shape), source, 0)
    return Initializer(name, dtype, tuple(shape), source, data[0])


def _external(
    location: str, stated: Mapping[str, str], opened: Callable[[str], ByteSource]
) -> tuple[ByteSource, tuple[int, int]]:
    """Return the other file that weights lie in, and their first byte and the byte after their last."""
    path = PurePosixPath(stated.get("location", ""))
    if path.is_absolute() or ".." in path.parts or "\\" in str(path) or not path.name:
        raise WeightsError(location, f"names the file {str(path)!r} for its weights, which is none of its folder")
    source = opened(str(path))
    start = stated.get("offset", "0")
    length = stated.get("length", str(source.size))
    counted = all(each.isdecimal() and len(each) <= _MAX_DIGITS for each in (start, length))
    if not counted or int(start) + int(length) > source.size:
        raise WeightsError(location, f"names bytes of {str(path)!r} that are not there")
    return source, (int(start), int(start) + int(length))
