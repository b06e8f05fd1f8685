"""The map: families as islands of a land, small families as isles, single models as zones of a sea, by task."""

from __future__ import annotations

import base64
import json
import math
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from PIL import Image

from atlas_db.analysis.frames import AtlasFrames
from atlas_db.core.arrays import Bytes, Flags, Integers
from atlas_db.core.terms import is_origin
from atlas_db.dashboard.map.author_zones import zones_by_author
from atlas_db.dashboard.map.map_layers import GROUND, SLOTS, MapLayer, build_layers
from atlas_db.dashboard.map.place_names import PlaceName, place_names
from atlas_db.dashboard.map.territories import FieldSize, capacity, name_keys, place_members, smallest_field

LABELS = 60
"""Families that are named before the other names are there."""
MIN_ISLAND = 8
"""Models of a family on the land; smaller ones are isles, unless all are smaller."""
SHARD = 4096
"""Names in one file."""
PICTURE = 1600
"""Width of the picture in pixels, at least."""
STRIDE = 9
"""Bytes of one model."""
DEPTH_BYTE = 4
"""Byte of a model with its generation."""
ORIGIN_BIT = 128
"""Bit beside the generation of an absent origin: a model that others come from, known by their weights alone."""
NO_TASK = "no task declared"
MODELS_FILE = "models.bin"
"""File with the bytes of all models in map order."""
LAND, ISLES, SEA = "land", "isles", "sea"


class MapRegion(NamedTuple):
    """A field of the map, and its models.

    Attributes:
        name: land, isles or sea.
        field: Size.
        first: Position of its first model in map order.
        models: Number of models.
    """

    name: str
    field: FieldSize
    first: int
    models: int


@dataclass(frozen=True, slots=True)
class ModelMap:
    """The map of an atlas.

    Attributes:
        regions: Land, isles and sea, in map order.
        x: Column of each model in its region, in map order, shape (n,).
        y: Row of each model in its region, shape (n,).
        names: Model ids, in map order.
        depth: Generation of each model, at most 127, shape (n,).
        origin: True for absent origins, shape (n,).
        downloads: Binary logarithm of one plus downloads, rounded, shape (n,).
        layers: Colourings.
        places: Names on the map.
    """

    regions: list[MapRegion]
    x: Integers
    y: Integers
    names: list[str]
    depth: Bytes
    origin: Flags
    downloads: Bytes
    layers: list[MapLayer]
    places: list[PlaceName]

    @property
    def labels(self) -> list[dict[str, Any]]:
        """The largest families: id of the root, models, and position of the root in map order."""
        families = [place for place in self.places if place.kind == "family"][:LABELS]
        return [{"id": place.text, "models": place.models, "first": place.first} for place in families]

    def records(self, first: int, last: int) -> bytes:
        """Return nine bytes a model: x and y as uint16, generation, then the layers by `SLOTS`."""
        part = slice(first, last)
        table = np.zeros(last - first, np.dtype([("x", "<u2"), ("y", "<u2"), ("codes", "u1", STRIDE - 4)]))
        table["x"], table["y"] = self.x[part], self.y[part]
        table["codes"][:, 0] = self.depth[part] | np.where(self.origin[part], ORIGIN_BIT, 0).astype(np.uint8)
        for layer in self.layers:
            slot = SLOTS[layer.name]
            table["codes"][:, slot.byte - 4] |= layer.codes[part] << slot.shift
        return table.tobytes()

    def describe(self) -> dict[str, Any]:
        """Return the description that decoding the payload needs: sizes, legends, labels."""
        return {
            "models": len(self.names),
            "shard": SHARD,
            "stride": STRIDE,
            "regions": [
                {"name": name, "width": field.width, "height": field.height, "first": first, "models": models}
                for name, field, first, models in self.regions
            ],
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

    def write(self, folder: Path) -> None:
        """Write the files of the map: script files, so that a page reads them from a disk, too.

        Args:
            folder: Folder for map.js (the land), sea.js (the rest), models.bin (both), places.js, authors.js (the sea
                by author), names/, downloads.bin and map-*.png.
        """
        (folder / "names").mkdir(parents=True, exist_ok=True)
        (folder / "downloads.bin").write_bytes(self.downloads.tobytes())
        land, rest = self.records(0, self.regions[0].models), self.records(self.regions[0].models, len(self.names))
        (folder / MODELS_FILE).write_bytes(land + rest)
        _write_call(folder / "map.js", "chart", self.describe(), base64.b64encode(land).decode())
        _write_call(folder / "sea.js", "rest", base64.b64encode(rest).decode())
        _write_call(folder / "places.js", "places", self.places)
        alone = zones_by_author(self.names[self.regions[-1].first :])
        _write_call(folder / "authors.js", "authors", alone.describe(), alone.payload())
        for number, start in enumerate(range(0, len(self.names), SHARD)):
            _write_call(folder / "names" / f"{number}.js", "names", number, self.names[start : start + SHARD])
        for layer in self.layers:
            self.picture(layer, folder / f"map-{layer.name}.png")

    def picture(self, layer: MapLayer, file: Path) -> None:
        """Write one layer of the land as a PNG file."""
        region = self.regions[0]
        ink = np.array([_rgb(colour) for _, colour in layer.legend], np.uint8)
        canvas = np.full((region.field.height, region.field.width, 3), _rgb(GROUND), np.uint8)
        canvas[self.y[: region.models], self.x[: region.models]] = ink[layer.codes[: region.models]]
        image = Image.fromarray(canvas)
        if (scale := math.ceil(PICTURE / region.field.width)) > 1:
            image = image.resize((image.width * scale, image.height * scale), Image.Resampling.NEAREST)
        image.save(file, optimize=True)


def read_records(folder: Path) -> Bytes:
    """Return the bytes of all models in map order, as `ModelMap.write` keeps them, shape (n, STRIDE)."""
    return np.fromfile(folder / MODELS_FILE, np.uint8).reshape(-1, STRIDE)


def read_cell(folder: Path, at: int) -> tuple[int, int]:
    """Return the column and the row of the model at a position in map order, in its region."""
    with (folder / MODELS_FILE).open("rb") as file:
        file.seek(at * STRIDE)
        column, row = struct.unpack("<HH", file.read(4))
    return column, row


def generations(records: Bytes) -> Bytes:
    """Return the generation of each model, 0 for a root, shape (n,).

    Args:
        records: Bytes of models, shape (n, STRIDE).
    """
    return records[:, DEPTH_BYTE] & np.uint8(ORIGIN_BIT - 1)


def _write_call(file: Path, function: str, *values: object) -> None:
    text = ",".join(json.dumps(value, ensure_ascii=False, separators=(",", ":")) for value in values)
    file.write_text(f"ATLAS.{function}({text});\n", encoding="utf-8")


def build_map(atlas: AtlasFrames) -> ModelMap:
    """Lay out the map.

    The members of a family follow each other in depth-first order, siblings by date, so that each branch is a country
    of its island. Single models follow each other by author. `territories` explains why places stay.

    Args:
        atlas: Contents of a store.
    """
    graph, forest = atlas.graph, atlas.forest
    layers = build_layers(atlas)
    families = forest.order[forest.linked[forest.order]]
    size = forest.size[forest.root[families]]
    least = min(MIN_ISLAND, int(size.max(initial=MIN_ISLAND)))
    alone, zones = _zones(atlas)
    members = {LAND: families[size >= least], ISLES: families[size < least], SEA: alone}
    order = np.concatenate(list(members.values()))
    regions: list[MapRegion] = []
    cells = []
    for name, rows in members.items():
        heads = rows[forest.parent[rows] < 0]
        keys = name_keys([title for title, _ in zones] if name == SEA else [graph.ids[row] for row in heads])
        sizes = np.array([number for _, number in zones], np.int64) if name == SEA else forest.size[heads]
        field = smallest_field(capacity(sizes), high=name == SEA)
        cells.append(place_members(keys, sizes, field))
        regions.append(MapRegion(name, field, sum(region.models for region in regions), len(rows)))
    x, y = np.concatenate(cells).T
    return ModelMap(
        regions,
        x,
        y,
        [graph.ids[row] for row in order],
        np.minimum(forest.depth[order], ORIGIN_BIT - 1).astype(np.uint8),
        np.array([is_origin(graph.ids[row]) for row in order], np.bool_),
        np.round(np.log2(1 + graph.downloads[order])).astype(np.uint8),
        [MapLayer(layer.name, layer.title, layer.legend, layer.codes[order]) for layer in layers],
        place_names(atlas, order, len(members[LAND]), zones),
    )


def _zones(atlas: AtlasFrames) -> tuple[Integers, list[tuple[str, int]]]:
    """Return the single models by task and author, shape (n,), and the task and number of models of each zone."""
    ids, forest = atlas.graph.ids, atlas.forest
    rows = np.flatnonzero(~forest.linked)
    tasks, held = atlas.graph.columns["pipeline_tag"]
    task = held.first[rows]
    authors = name_keys([ids[row].split("/")[0] for row in rows])
    order = np.lexsort((forest.position[rows], authors, task))
    values, counts = np.unique(task, return_counts=True)
    titles = [NO_TASK if value < 0 else tasks[value] for value in values]
    return rows[order], list(zip(titles, counts.tolist(), strict=True))


def _rgb(colour: str) -> tuple[int, ...]:
    return tuple(int(colour[at : at + 2], 16) for at in (1, 3, 5))
