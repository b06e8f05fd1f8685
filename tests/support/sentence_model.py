"""A tiny sentence model: static embeddings of words, drawn at random, saved as sentence-transformers does."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import Whitespace

WORDS = [
    "herons",
    "and",
    "terns",
    "gulls",
    "sung",
    "by",
    "night",
    "girders",
    "of",
    "iron",
    "carry",
    "trains",
    "over",
    "rivers",
    "welded",
    "riveted",
    "many",
    "hands",
    "for",
    "in",
]


def sentence_model(folder: Path, seed: int) -> Path:
    """Save one, and return where; words that it doesn't know share an embedding of their own."""
    # Imported here: it takes seconds, and most tests are collected without being run.
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.modules import StaticEmbedding

    tokenizer = Tokenizer(WordLevel({word: place for place, word in enumerate(["[UNK]", *WORDS])}, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = Whitespace()
    weights = np.random.default_rng(seed).normal(size=(len(WORDS) + 1, 64)).astype(np.float32)
    SentenceTransformer(modules=[StaticEmbedding(tokenizer, embedding_weights=weights)]).save(str(folder))
    return folder
