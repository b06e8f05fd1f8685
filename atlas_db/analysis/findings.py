"""Findings of Laufer 2025, each tested on this atlas: value, 95 % interval, sample size, agreement."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
import pandas as pd

from atlas_db.analysis.frames import AtlasFrames
from atlas_db.analysis.groupings import TIGHTNESS, LicenseGroup
from atlas_db.analysis.mutation import (
    ENGLISH_ONLY,
    SEVERAL_LANGUAGES,
    card_lengths,
    language_breadth,
    license_steps,
    machine_written,
)
from atlas_db.analysis.report.papers import ANATOMY, ANATOMY_MODELS
from atlas_db.analysis.similarity import UNRELATED_LINKED
from atlas_db.analysis.tables import AnalysisTable, ratio_interval
from atlas_db.core.arrays import Flags, Integers

REPORTED = {
    "Siblings are more similar than parent and child": "siblings are more similar than parent and child (figure 6)",
    "Related models are more similar than unrelated ones": "all family ties predict similarity (figure 5)",
    "Licences drift from restrictive to permissive or copyleft": "drift to permissive or copyleft licences (abstract)",
    "Models drift from several languages to English alone": "drift from multilingual to English only (abstract)",
    "Cards become shorter": "cards become shorter and leaner (abstract)",
    "Cards turn to templates and text made by tools": "cards become standardised, from templates and tools (abstract)",
}
"""What the paper reports of each finding, and where."""


class PaperFinding(NamedTuple):
    """One finding, and its estimate on this atlas.

    Attributes:
        finding: The finding, in our words.
        measure: Quantity that is estimated.
        value: Estimate on this atlas.
        low: Lower bound of the 95 % interval.
        high: Upper bound of the 95 % interval.
        threshold: Value above which the finding holds.
        sample: Pairs or models behind the estimate.
    """

    finding: str
    measure: str
    value: float
    low: float
    high: float
    threshold: float
    sample: int

    @property
    def agreement(self) -> str:
        """Agrees or disagrees where the whole interval is on one side of the threshold; else undecided, or unknown."""
        if not self.sample or np.isnan(self.value):
            return "unknown"
        if self.low > self.threshold:
            return "agrees"
        return "disagrees" if self.high < self.threshold else "undecided"


def findings(atlas: AtlasFrames, similarity: Mapping[str, pd.DataFrame], *, seed: int = 0) -> list[AnalysisTable]:
    """Return the findings of the paper with their estimates on this atlas.

    Args:
        atlas: The atlas.
        similarity: Tables of the section `similarity`, by name.
        seed: Seed of the intervals.
    """
    found = [
        *_similarity_findings(similarity.get("similarity"), "metadata"),
        *_similarity_findings(similarity.get("card_similarity"), "cards"),
        *_license_findings(atlas, seed),
        _language_finding(atlas, seed),
        _card_length_finding(atlas, seed),
        _template_finding(atlas, seed),
    ]
    frame = pd.DataFrame(found, columns=list(PaperFinding._fields))
    frame.insert(1, "here", [each.agreement for each in found])
    frame.insert(len(frame.columns), "models_here", int((~atlas.graph.placeholder).sum()))
    frame["reported"] = frame["finding"].map(REPORTED)
    frame["models_reported"] = ANATOMY_MODELS
    return [
        AnalysisTable(
            "findings",
            f"Findings of {ANATOMY.short}, and this atlas",
            "Laufer 2025, abstract and sections 6, 7. reported: what the paper's abstract and figures state, over "
            "models_reported models; it gives directions there, and no value that ours could be compared with",
            frame,
        )
    ]


def _similarity_findings(frame: pd.DataFrame | None, over: str) -> list[PaperFinding]:
    if frame is None:
        return []
    by = frame[frame["measure"] == "tfidf"].set_index(["kind", "drawn"])
    found = []
    for statement, near, far, drawn in (
        ("Siblings are more similar than parent and child", "siblings", "parent and child", "pairs"),
        ("Siblings are more similar than parent and child", "siblings", "parent and child", "parents"),
        ("Related models are more similar than unrelated ones", "parent and child", UNRELATED_LINKED, "pairs"),
    ):
        other = (far, drawn if (far, drawn) in by.index else "pairs")
        if (near, drawn) not in by.index or other not in by.index:
            continue
        a, b = by.loc[(near, drawn)], by.loc[other]
        gap = _difference_of_estimates(*((each["mean"], each["low"], each["high"]) for each in (a, b)))
        measure = f"TF-IDF cosine of {over}, {near} minus {far}, drawn over {drawn}"
        found.append(PaperFinding(statement, measure, *gap, 0.0, int(a["pairs"])))
    return found


def _difference_of_estimates(
    a: tuple[float, float, float], b: tuple[float, float, float]
) -> tuple[float, float, float]:
    """Return the difference of two independent estimates with its interval: their variances add."""
    margin = float(np.hypot((a[2] - a[1]) / 2, (b[2] - b[1]) / 2))
    gap = float(a[0] - b[0])
    return gap, gap - margin, gap + margin


def _share(hits: Flags, clusters: Integers, seed: int) -> tuple[float, float, float]:
    return ratio_interval(hits.astype(np.int64), np.ones(len(hits), np.int64), clusters, seed)


def _license_findings(atlas: AtlasFrames, seed: int) -> list[PaperFinding]:
    steps = license_steps(atlas)
    moved = steps[steps["drift"].isin(["tighter", "looser"])]
    towards = (
        np.isin(moved["to"], [LicenseGroup.PERMISSIVE, LicenseGroup.COPYLEFT]) & (moved["drift"] == "looser").to_numpy()
    )
    free, bound = [LicenseGroup.PERMISSIVE, LicenseGroup.COPYLEFT], [LicenseGroup.VENDOR, LicenseGroup.USE_RESTRICTED]
    below_bound = steps[steps["from"].isin(bound) & steps["to"].isin(list(TIGHTNESS))]
    below_free = steps[steps["from"].isin(free) & steps["to"].isin(list(TIGHTNESS))]
    statement = "Licences drift from restrictive to permissive or copyleft"
    return [
        PaperFinding(
            statement,
            "share of tightness changes that loosen into permissive or copyleft (above one half)",
            *_share(towards, moved["parent"].to_numpy(), seed),
            0.5,
            len(moved),
        ),
        PaperFinding(
            statement,
            "share of children of vendor or use-restricted parents that are permissive or copyleft, minus the share "
            "of children of permissive or copyleft parents that are vendor or use-restricted",
            *_difference_of_estimates(
                _share(np.isin(below_bound["to"], free), below_bound["parent"].to_numpy(), seed),
                _share(np.isin(below_free["to"], bound), below_free["parent"].to_numpy(), seed),
            ),
            0.0,
            len(below_bound) + len(below_free),
        ),
    ]


def _drift_finding(
    atlas: AtlasFrames, statement: str, measure: str, towards: Flags, away: Flags, seed: int
) -> PaperFinding:
    """Return the share of changed pairs that changed in the direction of the paper; 0.5 is no drift."""
    moved = towards | away
    parents = atlas.pairs["parent"].to_numpy()[moved]
    return PaperFinding(statement, measure, *_share(towards[moved], parents, seed), 0.5, len(parents))


def _language_finding(atlas: AtlasFrames, seed: int) -> PaperFinding:
    broad = language_breadth(atlas)
    above, below = broad[atlas.pairs["parent"]], broad[atlas.pairs["child"]]
    return _drift_finding(
        atlas,
        "Models drift from several languages to English alone",
        "of changes between several languages and English alone, share that go to English alone (above one half)",
        (above == SEVERAL_LANGUAGES) & (below == ENGLISH_ONLY),
        (above == ENGLISH_ONLY) & (below == SEVERAL_LANGUAGES),
        seed,
    )


def _card_length_finding(atlas: AtlasFrames, seed: int) -> PaperFinding:
    lengths = card_lengths(atlas)
    above, below = lengths[atlas.pairs["parent"]], lengths[atlas.pairs["child"]]
    return _drift_finding(
        atlas,
        "Cards become shorter",
        "of pairs with cards of different length, share where the child's is shorter (above one half)",
        below < above,
        below > above,
        seed,
    )


def _template_finding(atlas: AtlasFrames, seed: int) -> PaperFinding:
    written = machine_written(atlas)
    above, below = written[atlas.pairs["parent"]], written[atlas.pairs["child"]]
    return _drift_finding(
        atlas,
        "Cards turn to templates and text made by tools",
        "of pairs of which one has a card written by a training tool, share where it is the child (above one half)",
        below & ~above,
        above & ~below,
        seed,
    )
