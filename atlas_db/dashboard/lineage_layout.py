"""Layered layout of a model's lineage: one column a generation, large groups of children folded."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Protocol

from atlas_db.lineage.traversal import CHILDREN_SHOWN, ChildGroup, LineageStep

BOX, GAP, ROW, COLUMN = (250, 34), 14, 44, 340
MAX_NOTE_LETTERS = 40
"""Characters of the second line that fit a box."""
MAX_COLUMN_BOXES = 40
"""Boxes a column, at most; the rest is folded."""


@dataclass(slots=True)
class Box:
    """One model, or one folded fan.

    Attributes:
        id: Model id; for a folded group, the model and the relation.
        column: Generations from the model in the middle; negative for ancestors.
        x: Left edge.
        y: Upper edge.
        kind: model, self or fan.
        label: First line.
        note: Second line, cut to the width.
        relation: Relation of a folded group.
        more: True where it has further relatives that are not shown.
        open: True where its further relatives are shown.
    """

    id: str
    column: int
    kind: str
    label: str
    note: str = ""
    relation: str = ""
    more: bool = False
    open: bool = False
    x: int = 0
    y: int = 0


@dataclass(slots=True)
class Line:
    """One edge, between boxes.

    Attributes:
        child: Id of the child's box.
        parent: Id of the parent's box.
        relation: Relation.
        status: Status.
        confidence: 0..1.
        path: SVG path from parent to child.
    """

    child: str
    parent: str
    relation: str
    status: str
    confidence: float
    path: str = ""


@dataclass(slots=True)
class Picture:
    """Boxes and lines with coordinates.

    Attributes:
        width: Width.
        height: Height.
        box: Width and height of a box.
        boxes: Boxes.
        lines: Lines.
    """

    width: int = 0
    height: int = 0
    box: tuple[int, int] = BOX
    boxes: list[Box] = field(default_factory=list)
    lines: list[Line] = field(default_factory=list)

    def to_dict(self) -> dict[str, Any]:
        """Return the picture as JSON values."""
        return asdict(self)


class Relatives(Protocol):
    """Source of the edges of a picture."""

    def parents(self, model: str) -> list[LineageStep]:
        """Return the edges to a model's parents."""

    def children(self, model: str) -> list[ChildGroup]:
        """Return the children of a model by relation."""

    def has_children(self, models: Sequence[str]) -> set[str]:
        """Return those of some models that have children."""


def draw_lineage(model: Mapping[str, Any], relatives: Relatives, opened: Sequence[str], wide: str = "") -> Picture:
    """Lay out a lineage: parents left, children right, one step each, and further where a model is unfolded.

    Args:
        model: Properties of the model in the middle.
        relatives: Its relatives.
        opened: Ids whose further relatives are shown, too.
        wide: Relation whose children are all shown.
    """
    picture = Picture()
    picture.boxes.append(Box(model["id"], 0, "self", model["id"], _downloads(model.get("downloads"))))
    seen = {model["id"]}
    _ancestors(picture, model["id"], relatives, set(opened), seen)
    _descendants(picture, model["id"], relatives, set(opened), seen, wide)
    _place(picture)
    return picture


def _ancestors(picture: Picture, start: str, relatives: Relatives, opened: set[str], seen: set[str]) -> None:
    frontier, column = [start], -1
    while frontier:
        outer = []
        for model in frontier:
            steps = relatives.parents(model)
            for step in steps[:MAX_COLUMN_BOXES]:
                picture.lines.append(Line(step.child, step.parent, step.relation, step.status, step.confidence))
                if step.parent in seen:
                    continue
                seen.add(step.parent)
                picture.boxes.append(_box(step, step.parent, column, bool(relatives.parents(step.parent)), opened))
                if picture.boxes[-1].open:
                    outer.append(step.parent)
            if len(steps) > MAX_COLUMN_BOXES:
                _fold(picture, model, "", steps[MAX_COLUMN_BOXES:], len(steps) - MAX_COLUMN_BOXES, column)
        frontier, column = outer, column - 1


def _descendants(
    picture: Picture, start: str, relatives: Relatives, opened: set[str], seen: set[str], wide: str
) -> None:
    frontier, column = [start], 1
    while frontier:
        outer = []
        for model in frontier:
            for fan in relatives.children(model):
                shown = fan.steps[: MAX_COLUMN_BOXES if fan.relation == wide and model == start else CHILDREN_SHOWN]
                further = relatives.has_children([step.child for step in shown])
                for step in shown:
                    picture.lines.append(Line(step.child, step.parent, step.relation, step.status, step.confidence))
                    if step.child in seen:
                        continue
                    seen.add(step.child)
                    picture.boxes.append(_box(step, step.child, column, step.child in further, opened))
                    if picture.boxes[-1].open:
                        outer.append(step.child)
                if fan.count > len(shown):
                    rest = fan.steps[len(shown) :] or shown
                    _fold(picture, model, fan.relation, rest, fan.count - len(shown), column)
        frontier, column = outer, column + 1


def _box(step: LineageStep, other: str, column: int, more: bool, opened: set[str]) -> Box:
    note_text = f"{_downloads(step.downloads)}, {step.license or 'no licence declared'}"
    unseen = "known by its weights alone" if step.charted else "not in this atlas"
    note = unseen if step.placeholder else _cut(note_text)
    return Box(other, column, "model", other, note, more=more, open=more and other in opened)


def _fold(picture: Picture, model: str, relation: str, folded: Sequence[LineageStep], number: int, column: int) -> None:
    """Fold the rest of a group into one box, with a line in the most frequent status of the group."""
    name = f"{model} +{relation}"
    picture.boxes.append(Box(name, column, "fan", f"+{number:,} {relation or 'parents'}", "less downloaded", relation))
    status = Counter(step.status for step in folded).most_common(1)[0][0]
    ends = (name, model) if column > 0 else (model, name)
    picture.lines.append(Line(*ends, relation, status, max(step.confidence for step in folded)))


def _cut(text: str) -> str:
    return text if len(text) <= MAX_NOTE_LETTERS else text[: MAX_NOTE_LETTERS - 1] + "…"


def _downloads(number: object) -> str:
    return f"{number:,} downloads" if isinstance(number, int) else "downloads unknown"


def _place(picture: Picture) -> None:
    columns: dict[int, list[Box]] = defaultdict(list)
    for box in picture.boxes:
        columns[box.column].append(box)
    tallest = max(len(boxes) for boxes in columns.values())
    first = min(columns)
    picture.width = (max(columns) - first) * COLUMN + BOX[0] + 2 * GAP
    picture.height = tallest * ROW + 2 * GAP
    for column, boxes in columns.items():
        top = GAP + (tallest - len(boxes)) * ROW // 2
        for at, box in enumerate(boxes):
            box.x, box.y = GAP + (column - first) * COLUMN, top + at * ROW
    place = {box.id: box for box in picture.boxes}
    for line in picture.lines:
        left, right = place[line.parent], place[line.child]
        x1, y1 = left.x + BOX[0], left.y + BOX[1] // 2
        x2, y2 = right.x, right.y + BOX[1] // 2
        half = (x1 + x2) // 2
        line.path = f"M{x1} {y1}C{half} {y1} {half} {y2} {x2} {y2}"
