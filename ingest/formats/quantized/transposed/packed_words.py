"""Columns of matrices of 32-bit words, and codes within words."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from atlas_db.core.arrays import Floats, Integers
from ingest.formats.byte_source import read_columns, reads_columns
from ingest.formats.quantized.stored_tensors import StoredTensor, UnreadableTensorError
from ingest.formats.safetensors import decode_floats, item_size

PackedWords = npt.NDArray[np.uint32]
WORD_BYTES, WORD_BITS = 4, 32


def require_columns(codes: StoredTensor) -> None:
    """Check that columns can be read without a request for each word.

    Raises:
        UnreadableTensorError: The file is read by ranges, and the matrix is too large to be read whole.
    """
    source, tensor = codes
    if not reads_columns(source, tensor.stop - tensor.start):
        raise UnreadableTensorError(
            "codes packed across rows, too large to be read by ranges: download the model first"
        )


def gather_words(stored: StoredTensor, columns: Integers) -> PackedWords:
    """Return columns of a matrix of words, shape (len(columns), rows).

    Args:
        stored: The matrix.
        columns: Column indices.

    Raises:
        WeightsError: The file ends before them.
    """
    source, tensor = stored
    return read_columns(source, tensor.start, tensor.shape, WORD_BYTES, columns).view("<u4")


def gather_floats(stored: StoredTensor, columns: Integers) -> Floats:
    """Return columns of a matrix of floats, shape (len(columns), rows).

    Args:
        stored: The matrix.
        columns: Column indices.

    Raises:
        WeightsError: The file ends before them.
    """
    source, tensor = stored
    raw = read_columns(source, tensor.start, tensor.shape, item_size(tensor.dtype), columns)
    return decode_floats(raw.tobytes(), tensor.dtype).reshape(len(columns), -1)


def fields_at(words: npt.NDArray[np.unsignedinteger[Any]], shifts: Integers, bits: int) -> Integers:
    """Return one code of each word, shape as the words.

    Args:
        words: Shape (rows, words).
        shifts: Bit that the code of each row begins at, shape (rows,).
        bits: Bits of a code.
    """
    found = (words.astype(np.uint64) >> shifts[:, None].astype(np.uint64)) & np.uint64(2**bits - 1)
    return found.astype(np.int64)
