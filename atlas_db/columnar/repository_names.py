"""Tokens and grouping keys of repository names: stem, digit pattern, first and last tokens."""

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
"""A token of a lower-case name: a run of letters, a number, or a size such as `7b`."""
_COPY_SUFFIX = (
    r"[-_.](?:gguf|ggml|gptq|awq|exl2|exl|mlx|onnx|openvino|bnb|hqq|aqlm|eetq|marlin|autoawq|autogptq|imat|imatrix|iq\d\w*|"
    r"q\d(?:_[0-9a-z]+)*|w\d+a\d+|g?\d{1,3}g|fp(?:8|16|32)|bf16|f16|f32|int[248]|[2-8](?:[._]\d+)?-?bits?|[2-8]\.\d+bpw(?:-h\d)?|"
    r"h[68]|[2-8]bpw|quantized|quant|static|calibrated|4bit|8bit|smashed|sharded)"
)
_COPY_SUFFIXES = re.compile(f"{_COPY_SUFFIX}(?=[-_.]|$)")
_DIGITS = re.compile(r"[0-9]+")
_SEPARATORS = re.compile(r"[-_. ]+")
# The same tokens for Arrow: its regular expressions (RE2) have no look-ahead, so they consume what follows.
_ARROW_TOKEN = r"[^a-z0-9]*(?:(?P<%s1>[a-z]+)|(?P<%s2>[0-9]+(?:\.[0-9]+)?[bmk]?)(?:[^a-z0-9]|$)|(?P<%s3>[0-9]+))"
_FIRST_TWO_TOKENS = "^" + _ARROW_TOKEN.replace("%s", "a") + "(?:" + _ARROW_TOKEN.replace("%s", "b") + ")?"
# Numbers after a full stop are not matched here; `TOKEN` reads those names.
_LAST_TOKEN = (
    r"(?:(?:^|[^a-z])(?P<z1>[a-z]{2,}|[ac-jln-z])|(?:^|[^a-z0-9])(?P<z2>[bmk])|(?:^|[^0-9.])(?P<z3>[0-9]+[bmk]?))"
    r"[^a-z0-9]*$"
)


@lru_cache(maxsize=1 << 16)
def name_tokens(name: str) -> tuple[str, ...]:
    """Return the lower-case tokens of a name: runs of letters, numbers, sizes such as `7b`."""
    return tuple(TOKEN.findall(name.lower()))


def stem(name: str) -> str:
    """Return a lower-case name without suffixes of copies in another format, such as `-GGUF` or `-4bit`."""
    name = name.lower()
    shorter = _COPY_SUFFIXES.sub("", name)
    return shorter.strip("-_.") or name


def pattern(name: str) -> str:
    """Return a lower-case name with each number replaced by `#`; runs of one training script share it."""
    return _DIGITS.sub("#", name.lower())


def segments(name: str, min_length: int) -> list[str]:
    """Return the proper substrings of a name that start and end at separators, the longest first.

    Args:
        name: The name.
        min_length: Minimum number of characters of a substring.
    """
    breaks = [match.span() for match in _SEPARATORS.finditer(name)]
    starts, ends = [0, *(end for _, end in breaks)], [*(start for start, _ in breaks), len(name)]
    found = {name[a:b] for a in starts for b in ends if min_length <= b - a < len(name)}
    return sorted(found, key=lambda part: (-len(part), part))


def factorize_strings(keys: pa.Array | Sequence[str | None]) -> Integers:
    """Return equal numbers for equal strings, -1 for null, as `pandas.factorize`; shape (len(keys),)."""
    return factorize(pa.array(keys, pa.string()))


def factorize(keys: pa.Array) -> Integers:
    """Return equal numbers for equal keys of any type, in order of occurrence, -1 for null; shape (len(keys),)."""
    return np.asarray(keys.dictionary_encode().indices.fill_null(-1).to_numpy(), np.int64)


class NameKeys(NamedTuple):
    """Keys of n repository names, as arrays. Equal strings have equal numbers within one array.

    Attributes:
        lower: Names in lower case, without owners.
        is_copy: Whether a name has a suffix of a copy in another format, shape (n,).
        stem: Name without such suffixes (`stem`), shape (n,).
        pattern: Name with its numbers replaced (`pattern`), shape (n,).
        first_token: First token, -1 where there is none, shape (n,).
        first_two_tokens: First two tokens, -1 where there is none, shape (n,).
        last_token: Last token, -1 where there is none, shape (n,).
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
        """Return the keys of the names in repository ids, computed on several cores."""
        names = pa.array(ids, pa.string())
        length = -(-len(names) // cores) or 1
        parts = [names.slice(start, length) for start in range(0, len(names), length)]
        # Arrow releases the interpreter lock.
        with ThreadPoolExecutor(cores) as executor:
            table = pa.Table.from_batches(executor.map(_key_columns, parts), _KEY_SCHEMA)
        lower_names = table["lower"].combine_chunks()
        is_copy = pc.not_equal(table["stem"], table["lower"])
        keys = (
            factorize_strings(table[name].combine_chunks()) for name in ("stem", "pattern", "first", "head", "last")
        )
        return cls(lower_names.to_pylist(), is_copy.to_numpy(), *keys)


_KEY_SCHEMA = pa.schema([(name, pa.string()) for name in ("lower", "stem", "pattern", "first", "head", "last")])


def _key_columns(ids: pa.Array) -> pa.RecordBatch:
    """Return the lower-case names and their keys as strings, named by `_KEY_SCHEMA`."""
    lower = pc.utf8_lower(pc.replace_substring_regex(ids, "^.*/", ""))
    first_two = pc.extract_regex(lower, _FIRST_TWO_TOKENS)
    first, second = _matched_token(first_two, "a"), pc.coalesce(_matched_token(first_two, "b"), "")
    pair = pc.binary_join_element_wise(first, second, " ")
    pattern = pc.replace_substring_regex(lower, "[0-9]+", "#")
    return pa.record_batch([lower, _stems(lower), pattern, first, pair, _last_tokens(lower)], _KEY_SCHEMA)


def _stems(lower: pa.Array) -> pa.Array:
    """Return the stem of each name; only names with a suffix of a copy need the Python expression."""
    trimmed = pc.utf8_trim(lower, "-_.")
    needs_python = pc.or_(pc.match_substring_regex(lower, _COPY_SUFFIX), pc.equal(trimmed, ""))
    return _replace_where(needs_python, trimmed, [stem(name) for name in lower.filter(needs_python).to_pylist()])


def _last_tokens(lower: pa.Array) -> pa.Array:
    """Return the last token of each name; names that the Arrow expression does not match are read by `TOKEN`."""
    found = _matched_token(pc.extract_regex(lower, _LAST_TOKEN), "z")
    unmatched = pc.is_null(found)
    last = [(name_tokens(name) or (None,))[-1] for name in lower.filter(unmatched).to_pylist()]
    return _replace_where(unmatched, found, last)


def _matched_token(found: pa.Array, group: str) -> pa.Array:
    """Return the token that one of three alternatives matched, null where none did."""
    alternatives = (pc.struct_field(found, f"{group}{number}") for number in (1, 2, 3))
    return pc.coalesce(*(pc.if_else(pc.equal(each, ""), None, each) for each in alternatives))


def _replace_where(chosen: pa.Array, values: pa.Array, others: Sequence[str | None]) -> pa.Array:
    return pc.replace_with_mask(values, chosen, pa.array(others, pa.string()))
