"""Tuned constants of licence texts that are recognised in files."""

from __future__ import annotations

from dataclasses import dataclass

from atlas_db.core.parameters import parameter


@dataclass(frozen=True, slots=True)
class TextParameters:
    """Licence texts.

    Attributes:
        min_words: Words of a text, at least: shorter ones are titles and references.
        max_words_around: Words around a text that are taken for its title, at most.
    """

    min_words: int = parameter(30, "words", "chosen: shorter texts are titles and references")
    max_words_around: int = parameter(15, "words", "chosen: no search is recorded")


TEXT = TextParameters()
