"""Columns of matrices of 32-bit words, and codes within words."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from atlas_db.core.arrays import Bytes, Floats, Integers
from ingest.formats.byte_source import read_columns, reads_columns
from ingest.formats.quantized.stored_tensors import StoredTensor, UnreadableTensorError
from ingest.formats.safetensors import decode_floats, item_size

PackedWords = npt.NDArray[np.uint32]
WORD_BYTES, WORD_BITS = 4, 32
_MAX_KEPT_BYTES = 2**17
"""Bytes of columns that are kept of a matrix, at most."""


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


class StoredColumns:
    """Columns of a stored matrix. The last ones are kept: moments and positions of a fingerprint take the same ones."""

    def __init__(self, stored: StoredTensor) -> None:
        self._source, self._tensor = stored
        self._columns: Integers = np.empty(0, np.int64)
        self._kept: Bytes = np.empty((0, 0), np.uint8)

    def words(self, columns: Integers) -> PackedWords:
        """Return columns of a matrix of words, shape (len(columns), rows).

        Args:
            columns: Column indices.

        Raises:
            WeightsError: The file ends before them.
        """
        return self._take(columns, WORD_BYTES).view("<u4")

    def floats(self, columns: Integers) -> Floats:
        """Return columns of a matrix of floats, shape (len(columns), rows).

        Args:
            columns: Column indices.

        Raises:
            WeightsError: The file ends before them.
        """
        raw = self._take(columns, item_size(self._tensor.dtype))
        return decode_floats(raw.tobytes(), self._tensor.dtype).reshape(len(columns), -1)

    def _take(self, columns: Integers, item: int) -> Bytes:
        if not np.isin(columns, self._columns).all():
            unique = np.unique(columns)
            read = read_columns(self._source, self._tensor.start, self._tensor.shape, item, unique)
            if read.nbytes > _MAX_KEPT_BYTES:
                return read[np.searchsorted(unique, columns)]
            self._columns, self._kept = unique, read
        return self._kept[np.searchsorted(self._columns, columns)]


def fields_at(words: npt.NDArray[np.unsignedinteger[Any]], shifts: Integers, bits: int) -> Integers:
    """Return one code of each word, shape as the words.

    Args:
        words: Shape (rows, words).
        shifts: Bit that the code of each row begins at, shape (rows,).
        bits: Bits of a code.
    """
    found = (words.astype(np.uint64) >> shifts[:, None].astype(np.uint64)) & np.uint64(2**bits - 1)
    return found.astype(np.int64)
