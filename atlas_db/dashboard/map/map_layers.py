"""Colourings of the map: one code a model, with a legend of words and colours."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from atlas_db.analysis.frames import AtlasFrames, months_of
from atlas_db.analysis.groupings import LicenseGroup, license_group
from atlas_db.core.arrays import Bytes, Integers
from atlas_db.core.terms import Relation, Status, Verdict

TASKS = 10
"""Tasks with a colour of their own; the rest shares one."""
NONE = "none declared"
# The eight colours of Okabe & Ito, which colour-blind readers can tell apart, and greys for missing values.
INK = ("#e69f00", "#56b4e9", "#009e73", "#f0e442", "#0072b2", "#d55e00", "#cc79a7", "#7a5195", "#8c6d31", "#63b7af")
NOT_HERE = "not in this atlas"
GROUND, MISSING, REST, UNSEEN = "#0e1116", "#5b6675", "#8a93a3", "#424b58"
RED, AMBER, GREEN, BLUE = "#d55e00", "#e69f00", "#009e73", "#56b4e9"
DOWNLOADS = ("none", "1 to 9", "10 to 99", "100 to 999", "1,000 to 9,999", "10,000 to 99,999", "100,000 and more")
"""Classes of downloads of the last 30 days, by powers of ten."""
MONTHS = 255
"""Months that can be told apart; the last one stands for all later ones."""


class Slot(NamedTuple):
    """Position of a layer's code in the bytes of a model.

    Attributes:
        byte: Offset of the byte.
        shift: Number of lower bits in it that other layers use.
        mask: Largest code, as a mask of bits.
    """

    byte: int
    shift: int
    mask: int


SLOTS = {
    "license": Slot(5, 0, 15),
    "task": Slot(5, 4, 15),
    "verdict": Slot(6, 0, 7),
    "relation": Slot(6, 3, 7),
    "known": Slot(6, 6, 3),
    "status": Slot(7, 0, 7),
    "downloads": Slot(7, 3, 7),
    "month": Slot(8, 0, 255),
}


@dataclass(frozen=True, slots=True)
class MapLayer:
    """One colouring of the map.

    Attributes:
        name: Name.
        title: Title for readers.
        legend: Pairs (text, colour), in the order of the codes.
        codes: Code of each model, shape (n,).
    """

    name: str
    title: str
    legend: list[tuple[str, str]]
    codes: Bytes


def build_layers(atlas: AtlasFrames) -> list[MapLayer]:
    """Return all colourings, with codes by row of the atlas."""
    made: list[tuple[str, str, Callable[[AtlasFrames], tuple[list[tuple[str, str]], Integers]]]] = [
        ("license", "Licence declared", _license_codes),
        ("verdict", "Verdict of the audit", _verdict_codes),
        ("task", "Task declared", _task_codes),
        ("relation", "Relation to the parent", _relation_codes),
        ("status", "Status of the lineage", _status_codes),
        ("known", "Licence declared, predicted or unknown", _source_codes),
        ("downloads", "Downloads, 30 days", _download_codes),
        ("month", "Month of creation", _month_codes),
    ]
    return [_layer(name, title, *codes(atlas)) for name, title, codes in made]


def _layer(name: str, title: str, legend: list[tuple[str, str]], codes: Integers) -> MapLayer:
    return MapLayer(name, title, legend, codes.astype(np.uint8))


def _license_codes(atlas: AtlasFrames) -> tuple[list[tuple[str, str]], Integers]:
    groups = list(LicenseGroup)
    place = {group: at + 1 for at, group in enumerate(groups)}
    names, held = atlas.graph.columns["license"]
    codes = np.array([place[license_group(name) or LicenseGroup.UNCLEAR] for name in names] + [0])
    colours = (GREEN, BLUE, AMBER, "#cc79a7", RED, REST)
    words = [(str(group).replace("_", " "), colour) for group, colour in zip(groups, colours, strict=True)]
    return [(NONE, MISSING), *words, (NOT_HERE, UNSEEN)], _unless_unseen(atlas, codes[held.first], len(words) + 1)


def _unless_unseen(atlas: AtlasFrames, codes: Integers, unseen: int) -> Integers:
    """Return codes with one of their own for models that are not in the atlas and whose value is thus not known."""
    return np.where(atlas.graph.placeholder & (codes == 0), unseen, codes)


def _verdict_codes(atlas: AtlasFrames) -> tuple[list[tuple[str, str]], Integers]:
    colours = (GREEN, BLUE, REST, AMBER, RED)
    place = {str(verdict): at + 1 for at, verdict in enumerate(Verdict)}
    words = [(str(verdict).replace("_", " "), colour) for verdict, colour in zip(Verdict, colours, strict=True)]
    return [("not audited", MISSING), *words], np.array(
        [place.get(v, 0) for v in atlas.graph.extra_properties["audit_verdict"]]
    )


def _task_codes(atlas: AtlasFrames) -> tuple[list[tuple[str, str]], Integers]:
    names, held = atlas.graph.columns["pipeline_tag"]
    numbers = np.bincount(held.values, minlength=len(names))
    best = np.argsort(-numbers, kind="stable")[:TASKS]
    codes = np.full(len(names) + 1, len(best) + 1)
    codes[best] = np.arange(len(best)) + 1
    codes[-1] = 0
    words = [(names[at], INK[rank % len(INK)]) for rank, at in enumerate(best)]
    legend = [(NONE, MISSING), *words, ("others", REST), (NOT_HERE, UNSEEN)]
    return legend, _unless_unseen(atlas, codes[held.first], len(legend) - 1)


def _relation_codes(atlas: AtlasFrames) -> tuple[list[tuple[str, str]], Integers]:
    forest = atlas.forest
    kinds = list(Relation)
    active = atlas.edges[atlas.edges["active"]]
    first = dict(zip(zip(active["child"], active["parent"], strict=True), active["relation"], strict=True))
    place = {kind.value: at + 2 for at, kind in enumerate(kinds)}
    codes = np.where(forest.size > 1, 1, 0)
    for row in np.flatnonzero(forest.parent >= 0):
        codes[row] = place[first[row, forest.parent[row]]]
    colours = (BLUE, AMBER, "#cc79a7", GREEN, "#f0e442")
    words = [(str(kind), colour) for kind, colour in zip(kinds, colours, strict=True)]
    return [("no relatives known", MISSING), ("root of a family", "#dfe5ee"), *words], codes


def _status_codes(atlas: AtlasFrames) -> tuple[list[tuple[str, str]], Integers]:
    order = (Status.CONTRADICTED, Status.PREDICTED, Status.DECLARED, Status.UNDECLARED, Status.VERIFIED)
    codes = np.zeros(len(atlas.graph), np.int64)
    rank = {status.value: at + 1 for at, status in enumerate(order)}
    np.maximum.at(codes, atlas.edges["child"], atlas.edges["status"].map(rank).to_numpy(np.int64))
    colours = (RED, "#cc79a7", BLUE, AMBER, GREEN)
    words = [(str(status), colour) for status, colour in zip(order, colours, strict=True)]
    return [("no parent known", MISSING), *words], codes


def _source_codes(atlas: AtlasFrames) -> tuple[list[tuple[str, str]], Integers]:
    codes = np.zeros(len(atlas.graph), np.int64)
    codes[atlas.predicted["license"]["model"].to_numpy(np.int64)] = 1
    codes[atlas.graph.columns["license"].codes.counts > 0] = 2
    legend = [("unknown", MISSING), ("predicted", "#cc79a7"), ("declared", GREEN), (NOT_HERE, UNSEEN)]
    return legend, _unless_unseen(atlas, codes, len(legend) - 1)


def _download_codes(atlas: AtlasFrames) -> tuple[list[tuple[str, str]], Integers]:
    downloads = atlas.graph.downloads
    codes = np.where(downloads > 0, 1 + np.floor(np.log10(np.maximum(downloads, 1))), 0).clip(0, len(DOWNLOADS) - 1)
    # Cividis (Nuñez, Anderton and Renslow 2018): its lightness rises evenly for all readers.
    colours = (MISSING, "#3b5a92", "#5d6f86", "#868578", "#b19c68", "#dab64f", "#fdea45")
    return list(zip(DOWNLOADS, colours, strict=True)), codes.astype(np.int64)


def _month_codes(atlas: AtlasFrames) -> tuple[list[tuple[str, str]], Integers]:
    dates = months_of(atlas.graph.created)
    known, months = ~np.isnat(dates), dates.astype(np.int64)
    first = int(months[known].min()) if known.any() else 0
    codes = np.where(known, months - first + 1, 0).clip(0, MONTHS)
    words = [str(np.datetime64(first + at, "M")) for at in range(int(codes.max(initial=0)))]
    return [
        ("unknown", MISSING),
        *((word, _between(at / max(len(words) - 1, 1))) for at, word in enumerate(words)),
    ], codes


def _between(share: float) -> str:
    """Return a colour of Cividis' scale, from its dark end to its light one."""
    stops = ((0x00, 0x4C, 0x8C), (0x86, 0x85, 0x78), (0xFD, 0xEA, 0x45))
    low, part = (0, share * 2) if share < 0.5 else (1, share * 2 - 1)
    return "#" + "".join(f"{round(a + (b - a) * part):02x}" for a, b in zip(stops[low], stops[low + 1], strict=True))
