"""Parts of a network by number."""

from __future__ import annotations

from ingest.formats.tensor_names import PART_PATTERNS

WORDS, INTO_HEADS, OUT_OF_HEADS, INTO_MLP, OUT_OF_MLP, HEAD = range(len(PART_PATTERNS))
