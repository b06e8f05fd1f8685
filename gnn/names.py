"""What the name of a repository says: its words, and which other names share them."""

from __future__ import annotations

import re
from functools import lru_cache

_WORD = re.compile(r"[a-z]+|\d+(?:\.\d+)?[bmk]?(?![a-z0-9])|\d+")
_COPY = re.compile(
    r"[-_.](?:gguf|ggml|gptq|awq|exl2|exl|mlx|onnx|openvino|bnb|hqq|aqlm|eetq|marlin|autoawq|autogptq|imat|imatrix|iq\d\w*|"
    r"q\d(?:_[0-9a-z]+)*|w\d+a\d+|g?\d{1,3}g|fp(?:8|16|32)|bf16|f16|f32|int[248]|[2-8](?:[._]\d+)?-?bits?|[2-8]\.\d+bpw(?:-h\d)?|"
    r"h[68]|[2-8]bpw|quantized|quant|static|calibrated|4bit|8bit|smashed|sharded)(?=[-_.]|$)"
)
_NUMBER = re.compile(r"\d+")


@lru_cache(maxsize=1 << 16)
def words(name: str) -> tuple[str, ...]:
    """Return the words of a name in lower case: runs of letters, numbers, sizes such as `7b`."""
    return tuple(_WORD.findall(name.lower()))


def stem(name: str) -> str:
    """Return a name without what says that it is a copy in another format."""
    name = name.lower()
    shorter = _COPY.sub("", name)
    return shorter.strip("-_.") or name


def is_copy(name: str) -> bool:
    """Return whether a name says that this is a copy in another format."""
    return stem(name) != name.lower()


def pattern(name: str) -> str:
    """Return a name with its numbers taken out: runs of one training script share it."""
    return _NUMBER.sub("#", name.lower())
