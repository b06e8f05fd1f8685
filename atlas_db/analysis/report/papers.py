"""The papers that the analysis compares with, and how to cite them and this program."""

from __future__ import annotations

from importlib.metadata import version
from typing import NamedTuple

from atlas_db.core.extras import DISTRIBUTION
from atlas_db.core.terms import SOFTWARE


class Paper(NamedTuple):
    """A paper.

    Attributes:
        key: Its key in BibTeX.
        title: Its title.
        authors: Its authors, in order.
        year: Year of its first version.
        arxiv: Its identifier on arXiv.
    """

    key: str
    title: str
    authors: tuple[str, ...]
    year: int
    arxiv: str

    @property
    def short(self) -> str:
        """Title, first author and year."""
        others = " et al." if len(self.authors) > 2 else ""
        return f"{self.title} ({self.authors[0].rpartition(' ')[2]}{others} {self.year})"

    def bibtex(self) -> str:
        """Return the entry for BibTeX."""
        return (
            f"@misc{{{self.key},\n  title = {{{{{self.title}}}}},\n  author = {{{' and '.join(self.authors)}}},\n"
            f"  year = {{{self.year}}},\n  eprint = {{{self.arxiv}}},\n  archivePrefix = {{arXiv}}\n}}\n"
        )


ANATOMY = Paper(
    "laufer2025anatomy",
    "Anatomy of a Machine Learning Ecosystem: 2 Million Models on Hugging Face",
    ("Benjamin Laufer", "Hamidah Oderinwale", "Jon Kleinberg"),
    2025,
    "2508.06811",
)
MODEL_ATLAS = Paper(
    "horwitz2025atlas",
    "We Should Chart an Atlas of All the World's Models",
    ("Eliahu Horwitz", "Nitzan Kurer", "Jonathan Kahana", "Liel Amar", "Yedid Hoshen"),
    2025,
    "2503.10633",
)
PAPERS = (ANATOMY, MODEL_ATLAS)
ANATOMY_MODELS = 1_860_000
"""Models that the Anatomy paper analyses, as its abstract rounds them."""


def citation() -> str:
    """Return entries for BibTeX: this program, and the papers whose measures the analysis implements."""
    own = (
        f"@software{{atlas_db,\n  title = {{{{{SOFTWARE}: an atlas of machine-learning models as a graph}}}},\n"
        f"  author = {{{{The {SOFTWARE} authors}}}},\n  version = {{{version(DISTRIBUTION)}}}\n}}\n"
    )
    return "\n".join([own, *(paper.bibtex() for paper in PAPERS)])
