"""Limits on the text of names and cards that becomes tokens."""

from __future__ import annotations

from dataclasses import dataclass

from atlas_db.core.parameters import parameter

_BY_HAND = "chosen by hand; no sweep is recorded"


@dataclass(frozen=True, slots=True)
class TokenParameters:
    """How much of a card becomes tokens.

    Attributes:
        buckets: Numbers that tokens are hashed to; 0 stands for none.
        card_characters: Leading characters of a card's text that are read; the topic stands at the top.
        card_tokens: Maximum number of tokens (words, bigrams and results) of a card.
        min_cards: Cards that must share a token; a rarer one carries nothing over to other models.
        embedding_words: Leading words of a card that the sentence model reads.
        projections: Dimensions of the random projection of an embedding.
        top_components: Largest components of the projection, each of which becomes a token.
    """

    buckets: int = parameter(1 << 17, "1", "chosen: no search is recorded")
    card_characters: int = parameter(6000, "characters", _BY_HAND)
    card_tokens: int = parameter(256, "tokens", _BY_HAND)
    min_cards: int = parameter(5, "cards", _BY_HAND)
    embedding_words: int = parameter(256, "words", _BY_HAND)
    projections: int = parameter(256, "dimensions", "by definition: an index of one byte")
    top_components: int = parameter(16, "components", _BY_HAND)


TOKEN = TokenParameters()
