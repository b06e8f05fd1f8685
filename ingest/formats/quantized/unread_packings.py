"""Formats of quantized matrices that are not read: known by the names of their tensors, and refused by name."""

from __future__ import annotations

from typing import NamedTuple

from ingest.formats.quantized.stored_tensors import StoredTensors


class UnreadPacking(NamedTuple):
    """A format that is not read.

    Attributes:
        name: Its name in the field.
        ends: Ends of the names of its tensors, of which one has the codes.
        methods: Names that `config.json` has for it.
    """

    name: str
    ends: tuple[str, ...]
    methods: tuple[str, ...]


UNREAD = (
    UnreadPacking("EXL3", (".trellis", ".suh", ".svh", ".su", ".sv", ".mcg", ".mul1"), ("exl3",)),
    UnreadPacking("AQLM", (".codes", ".codebooks"), ("aqlm",)),
    UnreadPacking("VPTQ", (".indices", ".centroids.weight", ".res_centroids.weight"), ("vptq",)),
    UnreadPacking("QuIP#", (".Qidxs", ".SU", ".SV", ".codebook_id"), ("quip", "quip_sharp")),
    UnreadPacking("SpQR", (".dense_weights", ".row_offsets", ".col_vals"), ("spqr",)),
    UnreadPacking("Marlin", (".B", ".B_24", ".s", ".B_meta"), ("marlin",)),
    UnreadPacking("sparse bitmask of compressed-tensors", (".compressed", ".bitmask"), ()),
    UnreadPacking("BitNet", (), ("bitnet",)),
    UnreadPacking("HIGGS", (), ("higgs",)),
)
"""Formats, the first that fits counts."""


def stated_packing(stored: StoredTensors) -> str:
    """Return the name of the format that `config.json` states and that is not read; empty where it states none."""
    return next((packing.name for packing in UNREAD if stored.method in packing.methods), "")


def unread_packing(name: str, stored: StoredTensors) -> str:
    """Return the name of the format that a tensor belongs to and that is not read; empty where there is none.

    A tensor belongs to it where its module has the tensor with the codes, which comes first in `ends`, and another one.

    Args:
        name: Name of the tensor.
        stored: All tensors of the model.
    """
    for packing in UNREAD:
        end = next((each for each in packing.ends if name.endswith(each)), None)
        if end is not None:
            module = name.removesuffix(end)
            there = [module + each in stored.tensors for each in packing.ends]
            if there[0] and (any(there[1:]) or len(there) == 1):
                return packing.name
    return ""
