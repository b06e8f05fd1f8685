"""What the name of a repository says: its words, and which other names share them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from atlas_db.core.arrays import Flags, Integers

TOKEN = re.compile(r"[a-z]+|[0-9]+(?:\.[0-9]+)?[bmk]?(?![a-z0-9])|[0-9]+")
"""A word of a name in lower case."""
_ENDING = (
    r"[-_.](?:gguf|ggml|gptq|awq|exl2|exl|mlx|onnx|openvino|bnb|hqq|aqlm|eetq|marlin|autoawq|autogptq|imat|imatrix|iq\d\w*|"
    r"q\d(?:_[0-9a-z]+)*|w\d+a\d+|g?\d{1,3}g|fp(?:8|16|32)|bf16|f16|f32|int[248]|[2-8](?:[._]\d+)?-?bits?|[2-8]\.\d+bpw(?:-h\d)?|"
    r"h[68]|[2-8]bpw|quantized|quant|static|calibrated|4bit|8bit|smashed|sharded)"
)
_COPY = re.compile(f"{_ENDING}(?=[-_.]|$)")
_NUMBER = re.compile(r"[0-9]+")
_BREAK = re.compile(r"[-_. ]+")
# The same words for Arrow, whose expressions look at nothing that they do not take.
_TAKEN = r"[^a-z0-9]*(?:(?P<%s1>[a-z]+)|(?P<%s2>[0-9]+(?:\.[0-9]+)?[bmk]?)(?:[^a-z0-9]|$)|(?P<%s3>[0-9]+))"
_TWO = "^" + _TAKEN.replace("%s", "a") + "(?:" + _TAKEN.replace("%s", "b") + ")?"
# Numbers behind a full stop are left to the expression above.
_LAST = (
    r"(?:(?:^|[^a-z])(?P<z1>[a-z]{2,}|[ac-jln-z])|(?:^|[^a-z0-9])(?P<z2>[bmk])|(?:^|[^0-9.])(?P<z3>[0-9]+[bmk]?))"
    r"[^a-z0-9]*$"
)


@lru_cache(maxsize=1 << 16)
def name_tokens(name: str) -> tuple[str, ...]:
    """Return the words of a name in lower case: runs of letters, numbers, sizes such as `7b`."""
    return tuple(TOKEN.findall(name.lower()))


def stem(name: str) -> str:
    """Return a name without what says that it is a copy in another format."""
    name = name.lower()
    shorter = _COPY.sub("", name)
    return shorter.strip("-_.") or name


def pattern(name: str) -> str:
    """Return a name with its numbers taken out: runs of one training script share it."""
    return _NUMBER.sub("#", name.lower())


def segments(name: str, min_length: int) -> list[str]:
    """Return the parts of a name from one hyphen (or the like) to another, the longest first, itself not among them.

    Args:
        name: The name.
        min_length: Characters of a part at least.
    """
    breaks = [match.span() for match in _BREAK.finditer(name)]
    starts, ends = [0, *(end for _, end in breaks)], [*(start for start, _ in breaks), len(name)]
    found = {name[a:b] for a in starts for b in ends if min_length <= b - a < len(name)}
    return sorted(found, key=lambda part: (-len(part), part))


def factorize_strings(keys: pa.Array | Sequence[str | None]) -> Integers:
    """Return equal numbers for equal keys, -1 for null."""
    return factorize(pa.array(keys, pa.string()))


def factorize(keys: pa.Array) -> Integers:
    """Return equal numbers for equal keys of any kind, as they come, -1 for null."""
    return np.asarray(keys.dictionary_encode().indices.fill_null(-1).to_numpy(), np.int64)


class NameKeys(NamedTuple):
    """What many names say, in columns: `words`, `stem` and `pattern` of each, as numbers that are equal for equal ones.

    Attributes:
        names: In lower case, without owners.
        copy: Whether a name says that this is a copy in another format, shape (n,).
        stem: Name but for that, shape (n,).
        pattern: Name without its numbers, shape (n,).
        first: First word, -1 where there is none, shape (n,).
        head: First two words, -1 where there is none, shape (n,).
        last: Last word, -1 where there is none, shape (n,).
    """

    lower: list[str]
    is_copy: Flags
    stem: Integers
    pattern: Integers
    first_token: Integers
    first_two_tokens: Integers
    last_token: Integers

    @classmethod
    def of(cls, ids: Sequence[str], cores: int = 1) -> NameKeys:
        """Return what the names in ids of repositories say, read by so many cores side by side."""
        names = pa.array(ids, pa.string())
        length = -(-len(names) // cores) or 1
        parts = [names.slice(start, length) for start in range(0, len(names), length)]
        # Arrow's expressions let go of the interpreter.
        with ThreadPoolExecutor(cores) as readers:
            table = pa.Table.from_batches(readers.map(_said, parts), _SAID)
        lower_names = table["lower"].combine_chunks()
        copy = pc.not_equal(table["stem"], table["lower"])
        shared = (
            factorize_strings(table[name].combine_chunks()) for name in ("stem", "pattern", "first", "head", "last")
        )
        return cls(lower_names.to_pylist(), copy.to_numpy(), *shared)


_SAID = pa.schema([(name, pa.string()) for name in ("lower", "stem", "pattern", "first", "head", "last")])


def _said(ids: pa.Array) -> pa.RecordBatch:
    lower = pc.utf8_lower(pc.replace_substring_regex(ids, "^.*/", ""))
    two = pc.extract_regex(lower, _TWO)
    first, second = _word(two, "a"), pc.coalesce(_word(two, "b"), "")
    pair = pc.binary_join_element_wise(first, second, " ")
    pattern = pc.replace_substring_regex(lower, "[0-9]+", "#")
    return pa.record_batch([lower, _stems(lower), pattern, first, pair, _lasts(lower)], _SAID)


def _stems(lower: pa.Array) -> pa.Array:
    trimmed = pc.utf8_trim(lower, "-_.")
    marked = pc.or_(pc.match_substring_regex(lower, _ENDING), pc.equal(trimmed, ""))
    return _where(marked, trimmed, [stem(name) for name in lower.filter(marked).to_pylist()])


def _lasts(lower: pa.Array) -> pa.Array:
    found = _word(pc.extract_regex(lower, _LAST), "z")
    rest = pc.is_null(found)
    last = [(name_tokens(name) or (None,))[-1] for name in lower.filter(rest).to_pylist()]
    return _where(rest, found, last)


def _word(found: pa.Array, group: str) -> pa.Array:
    """Return the word that was taken in one of three ways, null where there is none."""
    ways = (pc.struct_field(found, f"{group}{way}") for way in (1, 2, 3))
    return pc.coalesce(*(pc.if_else(pc.equal(way, ""), None, way) for way in ways))


def _where(chosen: pa.Array, values: pa.Array, others: Sequence[str | None]) -> pa.Array:
    return pc.replace_with_mask(values, chosen, pa.array(others, pa.string()))
