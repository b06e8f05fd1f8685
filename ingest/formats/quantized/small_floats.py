"""Floats of 4 bits, and scales that are exponents alone."""

from __future__ import annotations

import numpy as np

from ingest.formats.quantized.stored_tensors import StoredTensor

E2M1 = np.array([0, 0.5, 1, 1.5, 2, 3, 4, 6, -0.0, -0.5, -1, -1.5, -2, -3, -4, -6], np.float32)
"""Values of the codes of a 4-bit float (OCP Microscaling Formats 1.0, section 5.3.3)."""


def as_exponents(scale: StoredTensor) -> StoredTensor:
    """Return scales that are kept as bytes as what they are: exponents of 2 with the bias 127."""
    return scale[0], scale[1]._replace(dtype="F8_E8M0") if scale[1].dtype == "U8" else scale[1]


def as_floats(scale: StoredTensor) -> StoredTensor:
    """Return scales that are kept as bytes as what they are: 8-bit floats."""
    return scale[0], scale[1]._replace(dtype="F8_E4M3") if scale[1].dtype == "U8" else scale[1]
