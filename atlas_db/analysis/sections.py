"""Sections of the analysis by name; each is computed once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from atlas_db.analysis.ecosystem import coverage, growth, top_tables
from atlas_db.analysis.families import families
from atlas_db.analysis.findings import findings
from atlas_db.analysis.frames import AtlasFrames
from atlas_db.analysis.mutation import mutation
from atlas_db.analysis.regions import regions
from atlas_db.analysis.similarity import SAMPLE, similarity
from atlas_db.analysis.tables import AnalysisTable
from atlas_db.core.errors import UsageError, did_you_mean
from atlas_db.core.terms import Progress

SECTIONS = ("tables", "growth", "coverage", "families", "mutation", "similarity", "regions", "findings")


@dataclass(frozen=True, slots=True)
class AnalysisOptions:
    """Options of the analysis.

    Attributes:
        seed: Seed of every draw.
        sample: Pairs drawn of each kind, for similarity.
        top: Rows of top tables.
    """

    seed: int = 0
    sample: int = SAMPLE
    top: int = 10


def analyse_sections(
    atlas: AtlasFrames,
    sections: Sequence[str] = SECTIONS,
    options: AnalysisOptions = AnalysisOptions(),
    progress: Progress = lambda *_: None,
) -> dict[str, list[AnalysisTable]]:
    """Return the tables of some sections, by section.

    Args:
        atlas: Contents of a store.
        sections: Names in `SECTIONS`.
        options: Options.
        progress: Called with stage, done and total.

    Raises:
        UsageError: There is no such section.
    """
    check_sections(sections)
    makers: dict[str, Callable[[], list[AnalysisTable]]] = {
        "tables": lambda: top_tables(atlas, top=options.top),
        "growth": lambda: growth(atlas),
        "coverage": lambda: coverage(atlas),
        "families": lambda: families(atlas, top=options.top),
        "mutation": lambda: mutation(atlas, seed=options.seed),
        "similarity": lambda: similarity(atlas, seed=options.seed, sample=options.sample),
        "regions": lambda: regions(atlas, top=options.top),
        "findings": lambda: findings(
            atlas, {table.name: table.frame for table in made["similarity"]}, seed=options.seed
        ),
    }
    made: dict[str, list[AnalysisTable]] = {}
    needed = [name for name in SECTIONS if name in sections or (name == "similarity" and "findings" in sections)]
    for number, name in enumerate(needed):
        progress(f"analysing {name}", number, len(needed))
        made[name] = makers[name]()
    progress("analysing", len(needed), len(needed))
    return {name: made[name] for name in sections}


def check_sections(names: Sequence[str]) -> None:
    """Check names of sections.

    Raises:
        UsageError: There is no section of a name.
    """
    if unknown := [name for name in names if name not in SECTIONS]:
        raise UsageError(
            f"there is no section {unknown[0]!r}",
            hint=f"{did_you_mean(unknown[0], SECTIONS)} Sections: {', '.join(SECTIONS)}".strip(),
        )
