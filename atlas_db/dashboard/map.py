"""Map of all models: the forest of families in depth-first order along a space-filling curve, one cell a model."""

from __future__ import annotations

import base64
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from PIL import Image

from atlas_db.analysis.frames import AtlasFrames
from atlas_db.analysis.groupings import LicenseGroup, license_group
from atlas_db.core.arrays import Bytes, Integers
from atlas_db.core.terms import Relation, Status, Verdict
from atlas_db.dashboard.map_layout import (
    Sheet,
    capacity,
    hilbert_curve,
    name_keys,
    place_families,
    place_singletons,
    smallest_sheet,
)

LABELS = 60
"""Families with a label on the map."""
TASKS = 10
"""Tasks with a colour of their own; the rest shares one."""
SHARD = 4096
"""Names in one file."""
PICTURE = 1600
"""Width of the picture in pixels, at least."""
NONE = "none declared"
# The eight colours of Okabe & Ito, which colour-blind readers can tell apart, and greys for missing values.
INK = ("#e69f00", "#56b4e9", "#009e73", "#f0e442", "#0072b2", "#d55e00", "#cc79a7", "#7a5195", "#8c6d31", "#63b7af")
NOT_HERE = "not in this atlas"
GROUND, MISSING, REST, UNSEEN = "#0e1116", "#3a4250", "#8a93a3", "#262c36"
RED, AMBER, GREEN, BLUE = "#d55e00", "#e69f00", "#009e73", "#56b4e9"


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


STRIDE = 10
"""Bytes of one model."""
SLOTS = {
    "license": Slot(6, 0, 255),
    "verdict": Slot(7, 0, 255),
    "task": Slot(8, 0, 255),
    "relation": Slot(9, 0, 7),
    "status": Slot(9, 3, 7),
    "known": Slot(9, 6, 3),
}


@dataclass(frozen=True, slots=True)
class Layer:
    """One colouring of the map.

    Attributes:
        name: Name.
        title: Title for readers.
        legend: Pairs (text, colour), in the order of the codes.
        codes: Code of each cell, in map order, shape (n,).
    """

    name: str
    title: str
    legend: list[tuple[str, str]]
    codes: Bytes


@dataclass(frozen=True, slots=True)
class ModelMap:
    """The map of an atlas.

    Attributes:
        width: Cells a row.
        height: Rows.
        x: Column of each model, in map order, shape (n,).
        y: Row of each model, in map order, shape (n,).
        names: Model ids, in map order.
        depth: Generation of each model, at most 255, shape (n,).
        downloads: Binary logarithm of one plus downloads, rounded, shape (n,).
        layers: Colourings.
        labels: Largest families: id of the root, models, and mean position of their cells.
    """

    width: int
    height: int
    x: Integers
    y: Integers
    names: list[str]
    depth: Bytes
    downloads: Bytes
    layers: list[Layer]
    labels: list[dict[str, Any]]

    def payload(self) -> str:
        """Return ten bytes a model in base64: x and y as uint16, depth, downloads, then the layers by `SLOTS`."""
        table = np.zeros(len(self.names), np.dtype([("x", "<u2"), ("y", "<u2"), ("codes", "u1", STRIDE - 4)]))
        table["x"], table["y"] = self.x, self.y
        table["codes"][:, 0], table["codes"][:, 1] = self.depth, self.downloads
        for layer in self.layers:
            slot = SLOTS[layer.name]
            table["codes"][:, slot.byte - 4] |= layer.codes << slot.shift
        return base64.b64encode(table.tobytes()).decode()

    def describe(self) -> dict[str, Any]:
        """Return the description that decoding the payload needs: sizes, legends, labels."""
        return {
            "width": self.width,
            "height": self.height,
            "models": len(self.names),
            "shard": SHARD,
            "stride": STRIDE,
            "layers": [
                {
                    "name": layer.name,
                    "title": layer.title,
                    **SLOTS[layer.name]._asdict(),
                    "legend": [
                        {"word": word, "colour": colour, "models": int(number)}
                        for (word, colour), number in zip(
                            layer.legend, np.bincount(layer.codes, minlength=len(layer.legend)), strict=True
                        )
                    ],
                }
                for layer in self.layers
            ],
            "labels": self.labels,
        }

    def picture(self, layer: Layer, file: Path) -> None:
        """Write one layer as a PNG file."""
        ink = np.array([_rgb(colour) for _, colour in layer.legend], np.uint8)
        canvas = np.full((self.height, self.width, 3), _rgb(GROUND), np.uint8)
        linked = np.append(self.depth[1:] > 0, False) | (self.depth > 0)
        family = np.cumsum((self.depth == 0) & linked) % 2
        # Neighbouring families alternate in shade; single models do not.
        shade = np.where(linked & (family == 1), 0.84, 1.0)[:, None]
        canvas[self.y, self.x] = (ink[layer.codes] * shade).astype(np.uint8)
        image = Image.fromarray(canvas)
        if (scale := math.ceil(PICTURE / self.width)) > 1:
            image = image.resize((self.width * scale, self.height * scale), Image.Resampling.NEAREST)
        image.save(file, optimize=True)


def build_map(atlas: AtlasFrames) -> ModelMap:
    """Lay out the map: families in one field, and to its right single models by author.

    The models of a family follow the curve in depth-first order, siblings by date. `map_layout` explains why families
    keep their positions when the atlas grows.

    Args:
        atlas: Contents of a store.
    """
    graph, forest = atlas.graph, atlas.forest
    order = forest.order
    sheet, places = _cells(atlas)
    x, y = places[order, 0], places[order, 1]
    layers = [
        _layer("license", "Licence declared", *_license_codes(atlas)),
        _layer("verdict", "Verdict of the audit", *_verdict_codes(atlas)),
        _layer("task", "Task declared", *_task_codes(atlas)),
        _layer("relation", "Relation to the parent", *_relation_codes(atlas)),
        _layer("status", "Status of the lineage", *_status_codes(atlas)),
        _layer("known", "Licence declared, predicted or unknown", *_source_codes(atlas)),
    ]
    return ModelMap(
        sheet.width,
        sheet.height,
        x,
        y,
        [graph.ids[row] for row in order],
        np.minimum(forest.depth[order], 255).astype(np.uint8),
        np.round(np.log2(1 + graph.downloads[order])).astype(np.uint8),
        [Layer(layer.name, layer.title, layer.legend, layer.codes[order]) for layer in layers],
        _labels(atlas, x, y),
    )


def _cells(atlas: AtlasFrames) -> tuple[Sheet, Integers]:
    """Return the size of the map, and the column and row of each model, shape (n, 2)."""
    forest, ids = atlas.forest, atlas.graph.ids
    heads, single = np.flatnonzero((forest.parent < 0) & (forest.size > 1)), np.flatnonzero(~forest.linked)
    sheet = smallest_sheet(int(capacity(forest.size[heads]).sum()), len(single))
    out = np.zeros((len(ids), 2), np.int64)
    start = np.zeros(len(ids), np.int64)
    start[heads] = place_families(
        name_keys([ids[row] for row in heads]), forest.size[heads], sheet.families * sheet.height
    )
    linked, place = np.flatnonzero(forest.linked), forest.position
    head = forest.root[linked]
    out[linked] = hilbert_curve(sheet.families, sheet.height)[start[head] + place[linked] - place[head]]
    if len(single):
        authors = name_keys([ids[row].split("/")[0] for row in single])
        cells = place_singletons(authors, place[single], sheet.singletons * sheet.height)
        out[single] = hilbert_curve(sheet.singletons, sheet.height)[cells] + [sheet.families, 0]
    return sheet, out


def _rgb(colour: str) -> tuple[int, ...]:
    return tuple(int(colour[at : at + 2], 16) for at in (1, 3, 5))


def _layer(name: str, title: str, legend: list[tuple[str, str]], codes: npt.NDArray[np.integer[Any]]) -> Layer:
    return Layer(name, title, legend, codes.astype(np.uint8))


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


def _labels(atlas: AtlasFrames, x: Integers, y: Integers) -> list[dict[str, Any]]:
    forest = atlas.forest
    place = forest.position
    found = []
    for head in forest.largest(LABELS):
        cells = slice(int(place[head]), int(place[head] + forest.size[head]))
        found.append(
            {
                "id": atlas.graph.ids[head],
                "models": int(forest.size[head]),
                "x": float(x[cells].mean()),
                "y": float(y[cells].mean()),
            }
        )
    return found
