"""A model's weights as named matrices, from files of any known format; rows are read on demand as float32."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path, PurePosixPath
from types import TracebackType
from typing import Any, Self, TypeVar

import numpy as np

from atlas_db.claims.repository_ids import repository_name
from atlas_db.core.arrays import Floats, Integers
from atlas_db.core.errors import WeightsError
from atlas_db.core.safe_text import cut, shown
from ingest.formats.adapter_layout import adapter_tensor, holds_adapter
from ingest.formats.byte_source import ByteSource, LocalFile, contiguous_runs, read_columns, reads_columns
from ingest.formats.fused_tensors import MAX_EXPERTS, expert_matrices, named_matrices
from ingest.formats.gguf_files.gguf import GgufFile, is_transposed, read_gguf
from ingest.formats.gguf_files.gguf_adapter import gguf_adapter
from ingest.formats.gguf_files.gguf_names import names_from_gguf
from ingest.formats.matrix import Matrix, matrix_shape
from ingest.formats.model_folder import AdapterConfig, ModelFolder, embedded_adapter_config, read_folder
from ingest.formats.onnx_files.onnx_graph import read_graph
from ingest.formats.onnx_files.onnx_matrices import onnx_matrices
from ingest.formats.other_files import ONNX, READ_SUFFIXES, chosen_onnx, only_these, other_files
from ingest.formats.pipelines.checkpoint_parts import split_checkpoint
from ingest.formats.pipelines.pipeline_index import (
    PipelineIndex,
    component_folders,
    holds_no_weights,
    pipeline_index_of,
    unread_outside,
)
from ingest.formats.quantized.mlx import with_group_size
from ingest.formats.quantized.quantized_formats import quantized_matrix, serves_another
from ingest.formats.quantized.scaled_codes import FLOAT4
from ingest.formats.quantized.stored_tensors import StoredTensor, StoredTensors, UnreadableTensorError
from ingest.formats.quantized.unread_packings import stated_packing
from ingest.formats.safetensors import Tensor, decode_floats, is_readable, item_size, read_header, read_values
from ingest.formats.tensor_names import is_in_block

F = TypeVar("F")
MAX_ROWS, MAX_COLUMNS = 2**28, 2**25
"""Rows of a matrix, and elements of a row, at most. Vocabularies have some 2^18 rows, layers some 2^15 columns."""
MAX_READ_ELEMENTS = 2**29
"""Elements that are read at once, at most: 2 GiB as float32."""
_INTEGERS = ("U8", "I8", "I16", "U16", "I32", "U32", "I64", "U64")
_INDEXES = ("I32", "I64")
"""Types of positions of elements, which some adapters keep (SHiRA)."""
_NO_MODELS = ("clip", "imatrix")
"""Architectures of GGUF files that hold no language model."""
_UNREADABLE = "Give the model in another format, or leave it out"


@dataclass(slots=True)
class OpenModel:
    """The weights of one model, open. Use as a context manager.

    Attributes:
        path: Its folder, or address.
        matrices: Matrices by canonical name; of a pipeline, those of its denoisers.
        components: Matrices of a pipeline's other components, by component and name; None of one that cannot be read.
        adapter: Configuration of an adapter, else None.
        others: Names of files that hold weights and are not read, by their kind.
        problems: Reasons why tensors were left out.
        size: Bytes of all weight files.
        heads: Attention heads, or 0 where the configuration has none.
        sources: Open files.
        container: Format of the files: `safetensors`, `gguf` or `onnx`.
        config: `config.json`, empty where there is none.
    """

    path: Path | str
    matrices: dict[str, Matrix] = field(default_factory=dict)
    components: dict[str, dict[str, Matrix] | None] = field(default_factory=dict)
    adapter: AdapterConfig | None = None
    others: dict[str, list[str]] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)
    size: int = 0
    heads: int = 0
    sources: list[ByteSource] = field(default_factory=list)
    container: str = "safetensors"
    config: dict[str, Any] = field(default_factory=dict)
    _stack: ExitStack = field(default_factory=ExitStack)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    @property
    def dtype(self) -> str:
        """Type of most elements of the matrices."""
        elements: Counter[str] = Counter()
        for matrix in self.matrices.values():
            elements[matrix.dtype] += matrix.rows * matrix.columns * (1 if matrix.vector else 1000)
        return min(elements, key=lambda dtype: (-elements[dtype], dtype)) if elements else ""

    @property
    def read_bytes(self) -> int:
        """Bytes read so far."""
        return sum(source.bytes_read for source in self.sources)


def open_model(path: Path) -> OpenModel:
    """Open the weights in a folder.

    Args:
        path: A folder in the Hub's layout, a pipeline of diffusers, or a model that is one file.

    Raises:
        WeightsError: Nothing readable is there, or a file is damaged.
    """
    with ExitStack() as opened:
        model = _open_pipeline(path, opened) if component_folders(path) else _open_folder(path, opened)
        model._stack = opened.pop_all()
    return model


def _open_folder(path: Path, opened: ExitStack) -> OpenModel:
    folder = read_folder(path)
    model = OpenModel(path, adapter=folder.adapter, others=folder.others, problems=list(folder.notes))
    model.config = folder.config
    heads = folder.config.get("num_attention_heads")
    model.heads = heads if isinstance(heads, int) else 0
    _add_weights(model, folder, opened)
    return model


def _open_pipeline(path: Path, opened: ExitStack) -> OpenModel:
    index = pipeline_index_of(path)

    def component(name: str) -> OpenModel | None:
        folder = path / name
        names = [file.name for file in folder.iterdir() if file.is_file()] if folder.is_dir() else []
        return None if holds_no_weights(index, name, names, str(folder)) else _open_folder(folder, opened)

    names = [file.name for file in sorted(path.iterdir()) if file.is_file()]
    model = OpenModel(path, others=other_files(names))
    if left_out := [name for name in names if name.lower().endswith(READ_SUFFIXES)]:
        model.problems.append(unread_outside(str(path), left_out))
    add_components(model, index, component)
    return model


def add_components(model: OpenModel, index: PipelineIndex, opened: Callable[[str], OpenModel | None]) -> None:
    """Add the components of a pipeline. One that cannot be read is noted.

    Args:
        model: The model to fill.
        index: The pipeline.
        opened: Opens the weights of a component; None where it has none.

    Raises:
        WeightsError: A denoiser cannot be read.
    """
    for name in index.classes:
        try:
            part = opened(name)
        except WeightsError as error:
            if name in index.denoisers:
                raise
            model.problems.append(f"the component {name} is not compared: {error}")
            model.components[name] = None
            continue
        if part is None:
            continue
        model.size += part.size
        model.sources += part.sources
        model.problems += part.problems
        model.others = {
            kind: [*model.others.get(kind, []), *(f"{name}/{file}" for file in part.others.get(kind, []))]
            for kind in (*model.others, *(kind for kind in part.others if kind not in model.others))
        }
        if name not in index.denoisers:
            model.components[name] = part.matrices
            continue
        first = name == index.denoisers[0]
        if first:
            model.heads, model.container, model.config = part.heads, part.container, part.config
        model.matrices |= {
            matrix.name: matrix
            for matrix in (
                each if first else each._replace(name=f"{name}.{each.name}") for each in part.matrices.values()
            )
        }


def _add_weights(model: OpenModel, folder: ModelFolder, opened: ExitStack) -> None:
    if folder.files:
        sources: list[ByteSource] = [opened.enter_context(LocalFile(file)) for file in folder.files]
        add_safetensors(model, sources)
    elif folder.gguf:
        add_gguf(model, folder.gguf, lambda file: opened.enter_context(LocalFile(file)))
    elif ONNX in folder.others:
        add_onnx(model, folder.others.pop(ONNX), lambda name: opened.enter_context(LocalFile(folder.path / name)))
    elif folder.others:
        raise WeightsError(str(folder.path), f"holds {only_these(folder.others)}", _UNREADABLE)
    else:
        raise WeightsError(str(folder.path), "holds no weights")
    require_matrices(model, str(folder.path))


def require_matrices(model: OpenModel, location: str) -> None:
    """Check that something of a model can be read.

    Args:
        model: The model.
        location: Its path, for messages.

    Raises:
        WeightsError: It has no matrix.
    """
    if not model.matrices:
        why = f" ({model.problems[-1]})" if model.problems else ""
        raise WeightsError(location, f"holds no tensor that can be read{why}")


def add_onnx(model: OpenModel, names: Sequence[str], opened: Callable[[str], ByteSource]) -> None:
    """Add the weights of an ONNX file, and note which others are not read.

    Args:
        model: The model to fill.
        names: Files of this kind, by their path within the model's folder.
        opened: Opens one.

    Raises:
        WeightsError: The file is damaged, names files that are not there, or most of it cannot be read.
    """
    chosen = PurePosixPath(chosen_onnx(names))
    files: dict[str, ByteSource] = {}

    def open_file(name: str) -> ByteSource:
        path = str(chosen.parent / name)
        if path not in files:
            files[path] = opened(path)
        return files[path]

    matrices, lost = onnx_matrices(read_graph(open_file(chosen.name), open_file))
    model.container = "onnx"
    model.sources += files.values()
    model.size += sum(source.size for source in files.values())
    model.matrices |= named_matrices(matrices, model.config)
    if left_out := [name for name in names if str(PurePosixPath(name)) not in files]:
        model.others = {**model.others, ONNX: left_out}
    _note_unread(model, lost)


def add_gguf(model: OpenModel, candidates: Sequence[Sequence[F]], opened: Callable[[F], ByteSource]) -> None:
    """Add the tensors of the first GGUF model among several, under the names of transformers.

    Projectors and importance matrices are passed over. An adapter is read where there is no model.

    Args:
        model: The model to fill.
        candidates: Files, each as its parts in order.
        opened: Opens one.

    Raises:
        WeightsError: None is a model, or a file is damaged.
    """
    adapters = []
    for parts in candidates:
        sources = [opened(part) for part in parts]
        first = read_gguf(sources[0])
        if first.heads.kind == "adapter":
            adapters.append((sources[0], first))
        if first.heads.kind not in ("", "model") or first.heads.architecture in _NO_MODELS:
            continue
        files = [first, *(read_gguf(source, first.heads) for source in sources[1:])]
        model.container = "gguf"
        model.size += sum(source.size for source in sources)
        model.sources += sources
        model.heads = model.heads or max(first.heads.heads, default=0)
        _add_tensors(model, files)
        return
    if not adapters:
        raise WeightsError(str(model.path), "holds GGUF files, none of which is a model")
    _add_gguf_adapter(model, *adapters[0])


def _add_gguf_adapter(model: OpenModel, source: ByteSource, file: GgufFile) -> None:
    """Add the updates of an adapter that a GGUF file holds."""
    found = gguf_adapter(file)
    model.container = "gguf"
    model.size += source.size
    model.sources.append(source)
    model.matrices |= found.matrices
    model.adapter = AdapterConfig(repository_name(file.heads.base))
    _note_unread(model, {**found.unread, **file.unknown_types})
    model.adapter = replace(model.adapter, r=_common_rank(model))


def _add_tensors(model: OpenModel, files: Sequence[GgufFile]) -> None:
    """Add the tensors of the parts of a GGUF model, under the names of transformers."""
    tensors = [tensor for file in files for tensor in file.tensors]
    unread = {kind: names for file in files for kind, names in file.unknown_types.items()}
    stored = [*(tensor.name for tensor in tensors), *(name for names in unread.values() for name in names)]
    names = names_from_gguf(stored, files[0].heads.architecture)
    for tensor in tensors:
        vector = tensor.rows == 1
        name = names[tensor.name]
        if not vector and is_transposed(tensor.name, files[0].heads.architecture):
            sides = tensor.columns, tensor.rows
            matrix = Matrix(name, *sides, tensor.dtype, vector, tensor.read_columns, transposed=True)
        else:
            sides = tensor.rows, tensor.columns
            matrix = Matrix(name, *sides, tensor.dtype, vector, tensor.read, shape=tensor.shape)
        model.matrices |= {each.name: each for each in _experts_of_gguf(matrix)}
    _note_unread(model, {kind: [names[name] for name in found] for kind, found in unread.items()})


def _experts_of_gguf(matrix: Matrix) -> list[Matrix]:
    """Return the experts of a matrix of all of them, of which GGUF has one for each projection; else the matrix."""
    stem = matrix.name.removesuffix(".weight")
    if ".experts." not in stem or len(matrix.shape) != 3 or matrix.shape[0] > MAX_EXPERTS:
        return [matrix]
    return list(expert_matrices(matrix, stem, [stem.rpartition(".")[2]]))


def add_safetensors(model: OpenModel, sources: list[ByteSource]) -> None:
    """Add the tensors of safetensors files to an open model, packed integers with their scales.

    A model without the configuration of an adapter is one where the names of its tensors show it.

    Raises:
        WeightsError: A file is no safetensors file, is cut short, its header lies, or most of it cannot be read.
    """
    tensors: dict[str, StoredTensor] = {}
    unread: dict[str, list[str]] = defaultdict(list)
    metadata: dict[str, str] = {}
    for source in sources:
        model.size += source.size
        model.sources.append(source)
        header = read_header(source)
        metadata |= header.metadata
        if header.tensors and all(tensor.name in tensors for tensor in header.tensors):
            model.problems.append(f"{source.name} holds the same tensors as another file: it is read instead of that")
        for tensor in header.tensors:
            if tensor.elements == 0:
                model.problems.append(f"{source.name} holds the empty tensor {shown(tensor.name)}")
            elif not is_readable(tensor.dtype) and tensor.dtype != FLOAT4:
                unread[f"the unknown type {tensor.dtype}"].append(tensor.name)
            else:
                tensors[tensor.name] = (source, tensor)
    if model.adapter is None and holds_adapter(tensors):
        model.adapter = embedded_adapter_config(metadata)
    stored = with_group_size(StoredTensors(tensors, model.config, metadata))
    matrices = []
    for name, (_, tensor) in tensors.items():
        if serves_another(name, stored) or (model.adapter and tensor.dtype in _INDEXES and adapter_tensor(name).role):
            continue
        try:
            matrices.append(_open_tensor(name, stored))
        except UnreadableTensorError as error:
            unread[str(error)].append(name)
    named = named_matrices(matrices, model.config)
    parts: dict[str, dict[str, Matrix]] = {}
    if model.adapter is None:
        named, parts = split_checkpoint(named)
    model.matrices |= named
    model.components |= parts
    _note_unread(model, unread)
    if model.adapter is not None and not model.adapter.r:
        model.adapter = replace(model.adapter, r=_common_rank(model))


def _common_rank(model: OpenModel) -> int:
    """Return the rank of most low-rank updates of an adapter, 0 where it has none."""
    ranks = Counter(
        matrix.rows for name, matrix in sorted(model.matrices.items()) if adapter_tensor(name).role == "lora_down"
    )
    return max(ranks, key=lambda rank: (ranks[rank], rank), default=0)


def _note_unread(model: OpenModel, unread: Mapping[str, Sequence[str]]) -> None:
    """Note tensors that cannot be read, by reason, and leave out those that are too large.

    Raises:
        WeightsError: They are most of a model.
    """
    unread = {**unread, **_too_large(model)}
    for kind, names in unread.items():
        few = ", ".join(map(cut, names[:3])) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
        model.problems.append(f"{model.path} holds tensors of {kind}: {few}")
    if model.adapter is None:
        _require_most(model, unread)


def _too_large(model: OpenModel) -> dict[str, list[str]]:
    """Take out the matrices of which a few rows, or the number of rows alone, take more memory than there may be.

    A file with a hole in it states any size for nothing.

    Returns:
        Their names, by their sides.
    """
    found: dict[str, list[str]] = defaultdict(list)
    for matrices in (model.matrices, *filter(None, model.components.values())):
        for name, matrix in list(matrices.items()):
            if matrix.rows > MAX_ROWS or matrix.columns > MAX_COLUMNS:
                del matrices[name]
                limits = f"at most {MAX_ROWS:,} and {MAX_COLUMNS:,}"
                found[f"{matrix.rows:,} rows of {matrix.columns:,} elements ({limits} are read)"].append(name)
            else:
                matrices[name] = matrix._replace(read=partial(_bounded_read, model.path, matrix))
    return found


def _bounded_read(path: Path | str, matrix: Matrix, wanted: Integers) -> Floats:
    """Read rows of a matrix.

    Raises:
        WeightsError: They are more elements than are held at once, or cannot be read.
    """
    if len(wanted) * matrix.columns > MAX_READ_ELEMENTS:
        what = f"{len(wanted):,} rows of {matrix.columns:,} elements"
        reason = f"would have {what} of {cut(matrix.name)} read at once, more than {MAX_READ_ELEMENTS:,}"
        raise WeightsError(str(path), reason, _UNREADABLE)
    return matrix.read(wanted)


def _require_most(model: OpenModel, unread: Mapping[str, Sequence[str]]) -> None:
    """Refuse a model of whose blocks most matrices cannot be read: what is left is equal in models that differ."""
    lost = sum(is_in_block(name) for names in unread.values() for name in names)
    read = sum(is_in_block(name) and not matrix.vector for name, matrix in model.matrices.items())
    if lost > read:
        kinds = "; ".join(unread)
        raise WeightsError(str(model.path), f"cannot be compared: most of its matrices are {kinds}", _UNREADABLE)


def _open_tensor(name: str, stored: StoredTensors) -> Matrix:
    """Return a tensor as a matrix, by the first format that it fits.

    Raises:
        UnreadableTensorError: It cannot be read.
    """
    source, tensor = stored.tensors[name]
    if name.endswith((".lora_a", ".lora_b")) and len(tensor.shape) == 2:
        return _transposed(name, source, tensor)
    found = quantized_matrix(name, stored)
    if found is not None:
        return found
    if tensor.dtype == FLOAT4:
        raise UnreadableTensorError("the type F4, without scales")
    if tensor.dtype in _INTEGERS and len(tensor.shape) > 1:
        stated, unknown = stated_packing(stored), f"{tensor.dtype}, packed in a way that is not known"
        raise UnreadableTensorError(f"the format {stated}, which is not read" if stated else unknown)
    rows, columns = matrix_shape(tensor.shape)
    sides = tensor.shape if len(tensor.shape) > 2 else ()

    def read(wanted: Integers) -> Floats:
        return _read_rows(source, tensor, columns, wanted)

    def read_part(first: int, count: int, wanted: Integers) -> Floats:
        item = item_size(tensor.dtype)
        raw = read_columns(source, tensor.start + first * columns * item, (count, columns), item, wanted)
        return decode_floats(raw.tobytes(), tensor.dtype).reshape(len(wanted), count)

    size = tensor.stop - tensor.start
    has_columns = len(sides) == 3 and columns == sides[2] and reads_columns(source, size // max(sides[0], 1))
    by_column = read_part if has_columns else None
    return Matrix(name, rows, columns, tensor.dtype, len(tensor.shape) < 2, read, False, sides, by_column)


def _transposed(name: str, source: ByteSource, tensor: Tensor) -> Matrix:
    """Return a factor of an adapter of mlx-lm as peft names and stores it: the transpose."""
    columns, rows = tensor.shape
    stem, _, factor = name.rpartition(".lora_")

    def read(wanted: Integers) -> Floats:
        return read_values(source, tensor).reshape(columns, rows)[:, wanted].T

    return Matrix(f"{stem}.lora_{factor.upper()}.weight", rows, columns, tensor.dtype, False, read)


def _read_rows(source: ByteSource, tensor: Tensor, columns: int, wanted: Integers) -> Floats:
    """Return rows of a tensor, consecutive rows read at once, shape (len(wanted), columns)."""
    out = np.empty((len(wanted), columns), np.float32)
    for start, stop in contiguous_runs(wanted):
        first, last = int(wanted[start]), int(wanted[stop - 1]) + 1
        out[start:stop] = read_values(source, tensor, first * columns, last * columns).reshape(-1, columns)
    return out
