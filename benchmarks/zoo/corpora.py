"""Text to train on: byte sequences of second-order sources that share much of their grammar, as real corpora do."""

from __future__ import annotations

import numpy as np

from atlas_db.core.arrays import Bytes, Integers

VOCABULARY = 256
_CHAINS, _STEPS, _CONTEXTS, _SUCCESSORS = 256, 600, 1024, 6


def corpora(seed: int, count: int) -> list[Bytes]:
    """Make corpora; the first is the general one, each other shares a random part of its grammar.

    Returns:
        Arrays of shape (chains, steps), one a corpus.
    """
    rng = np.random.default_rng(seed)
    general = _grammar(rng)
    made = [_sample(rng, general)]
    for _ in range(count - 1):
        own, mixed = _grammar(rng), general.copy()
        changed = rng.random(_CONTEXTS) < rng.uniform(0.3, 0.9)
        mixed[changed] = own[changed]
        made.append(_sample(rng, mixed))
    return made


def _grammar(rng: np.random.Generator) -> Integers:
    """Successors of each context; rare bytes stay rare everywhere."""
    popular = rng.permutation(VOCABULARY)
    drawn = np.minimum(rng.geometric(0.03, (_CONTEXTS, _SUCCESSORS)) - 1, VOCABULARY - 1)
    return np.asarray(popular[drawn], dtype=np.int64)


def _sample(rng: np.random.Generator, grammar: Integers) -> Bytes:
    text = np.empty((_CHAINS, _STEPS), np.uint8)
    before, last = rng.integers(0, VOCABULARY, (2, _CHAINS))
    odds = np.array([0.4, 0.25, 0.15, 0.1, 0.06, 0.04])
    for step in range(_STEPS):
        pick = rng.choice(_SUCCESSORS, _CHAINS, p=odds)
        before, last = last, grammar[(before * 37 + last * 101) % _CONTEXTS, pick]
        text[:, step] = last
    return text
