"""A family as an icicle: a column a generation, a cell's height its models, small children folded by relation.

Icicles show a hierarchy by adjacency (Kruskal and Landwehr 1983). All families of a page share one scale, so that equal
heights are equal numbers of models.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from atlas_db.analysis.groupings import LicenseGroup, license_group
from atlas_db.core.terms import is_origin
from atlas_db.lineage.traversal import Lineage, LineageStep

MAX_HEIGHT = 1200.0
"""Height of the largest family of a page in pixels, at most."""
COLUMN = 216
"""Width of a generation, in pixels."""
MIN_CELL = 17.0
"""Height of a cell that is drawn by itself, at least; smaller ones are folded by relation."""
MAX_GENERATIONS = 7
"""Generations in the picture; what comes further down is counted in the last cell."""
NAMED_IN_FOLD = 3
"""Most downloaded models that a fold names."""
NONE, NOT_HERE = "none declared", "not in this atlas"
GROUPS = (*(str(group).replace("_", " ") for group in LicenseGroup), NONE, NOT_HERE)
"""Groups of licences, in the order of their bars."""


@dataclass(slots=True)
class Cell:
    """A model with what comes from it, or a fold of small children.

    Attributes:
        id: Model id; for a fold, that of the parent.
        kind: model, origin (an inferred model without a name), absent (only named) or fold.
        relation: Relation to the parent; `root` for the root.
        status: Status of the edge to the parent.
        models: Models in the cell: the model and all that is drawn under it.
        named: Most downloaded models of a fold.
        beyond: Models further down than the picture goes.
        license: Licence of the model, as declared.
        x: Left edge in pixels.
        y: Upper edge.
        height: Height.
    """

    id: str
    kind: str
    relation: str
    status: str
    models: int
    named: list[str]
    beyond: int
    license: str
    x: float
    y: float
    height: float


@dataclass(slots=True)
class FamilyTree:
    """One family.

    Attributes:
        root: Id of the root.
        models: Models of the family, the root included.
        width: Width of the picture in pixels.
        height: Height of the picture.
        cells: Cells, parents first.
        generations: Models of each generation by group of licences, the root's first.
        flow: Edges by group of the parent's licence and of the child's.
        relations: Models by relation to their parent.
        months: Models by month of creation and relation; those of unknown date left out.
    """

    root: str
    models: int
    width: float
    height: float
    cells: list[Cell]
    generations: list[dict[str, Any]]
    flow: list[dict[str, Any]]
    relations: dict[str, int]
    months: list[dict[str, Any]]

    def to_dict(self) -> dict[str, Any]:
        """Return the tree as JSON values."""
        return asdict(self)


class _Family:
    """The members of a family, each under one parent."""

    def __init__(self, found: Lineage) -> None:
        self.root: str = found.model["id"]
        self.props = found.model
        self.step: dict[str, LineageStep] = {}
        for step in found.descendants:
            known = self.step.get(step.child)
            if known is None or (known.hops, -known.confidence, known.parent) > (
                step.hops,
                -step.confidence,
                step.parent,
            ):
                self.step[step.child] = step
        self.order = [self.root, *sorted(self.step, key=lambda model: (self.step[model].hops, model))]
        self.children: dict[str, list[str]] = defaultdict(list)
        self.size: Counter[str] = Counter(dict.fromkeys(self.order, 1))
        for model in reversed(self.order[1:]):
            self.size[self.step[model].parent] += self.size[model]
        for model in self.order[1:]:
            self.children[self.step[model].parent].append(model)
        for under in self.children.values():
            under.sort(key=lambda model: (-self.size[model], -self.step[model].downloads, model))

    def license(self, model: str) -> str | None:
        """Return the declared licence of a model."""
        found: str | None = self.props.get("license") if model == self.root else self.step[model].license
        return found

    def group(self, model: str) -> str:
        """Return the group of a model's licence in words."""
        unseen = self.props.get("placeholder") if model == self.root else self.step[model].placeholder
        group = license_group(self.license(model))
        return str(group).replace("_", " ") if group else NOT_HERE if unseen else NONE

    def kind(self, model: str) -> str:
        """Return the kind of a model's cell."""
        if is_origin(model):
            return "origin"
        unseen = self.props.get("placeholder") if model == self.root else self.step[model].placeholder
        return "absent" if unseen else "model"


def draw_family_trees(found: Sequence[Lineage], dates: Mapping[str, str]) -> list[FamilyTree]:
    """Lay out families on one scale.

    Args:
        found: Whole lineage of each root.
        dates: Dates of creation by model id; models without a known one are left out.
    """
    families = [_Family(each) for each in found]
    scale = min(MIN_CELL, MAX_HEIGHT / max((family.size[family.root] for family in families), default=1))
    return [_draw(family, scale, dates) for family in families]


def _draw(family: _Family, scale: float, dates: Mapping[str, str]) -> FamilyTree:
    cells = _cells(family, scale)
    edges = [(family.step[model], model) for model in family.order[1:]]
    flow = Counter((family.group(step.parent), family.group(model)) for step, model in edges)
    hops = Counter(
        (family.step[model].hops if model in family.step else 0, family.group(model)) for model in family.order
    )
    last = max(generation for generation, _ in hops)
    relations = Counter(step.relation for step, _ in edges)
    months = Counter((dates[model][:7], step.relation) for step, model in edges if model in dates)
    return FamilyTree(
        family.root,
        len(family.order),
        max(cell.x for cell in cells) + COLUMN,
        max(cell.y + cell.height for cell in cells),
        cells,
        [
            {
                "generation": generation,
                **{group: hops[generation, group] for group in GROUPS if hops[generation, group]},
            }
            for generation in range(last + 1)
        ],
        [{"parent": above, "child": below, "models": number} for (above, below), number in flow.most_common()],
        dict(relations.most_common()),
        [
            {"month": month, **{relation: months[month, relation] for relation in relations}}
            for month in sorted({month for month, _ in months})
        ],
    )


def _cells(family: _Family, scale: float) -> list[Cell]:
    cells: list[Cell] = []
    todo = [(family.root, 0, 0.0)]
    while todo:
        model, column, top = todo.pop()
        step = family.step.get(model)
        height = max(family.size[model] * scale, MIN_CELL)
        last = column == MAX_GENERATIONS - 1
        cells.append(
            Cell(
                model,
                family.kind(model),
                step.relation if step else "root",
                step.status if step else "",
                family.size[model],
                [],
                family.size[model] - 1 if last else 0,
                family.license(model) or "",
                column * COLUMN,
                top,
                height,
            )
        )
        if last:
            continue
        at = top
        folded: dict[str, list[str]] = defaultdict(list)
        for child in family.children[model]:
            if family.size[child] * scale < MIN_CELL and len(family.children[model]) > 1:
                folded[family.step[child].relation].append(child)
                continue
            todo.append((child, column + 1, at))
            at += max(family.size[child] * scale, MIN_CELL)
        for relation, children in sorted(folded.items(), key=lambda pair: (-len(pair[1]), pair[0])):
            fold = _fold(family, model, relation, children)
            fold.x, fold.y, fold.height = (column + 1) * COLUMN, at, fold.models * scale
            at += fold.height
            cells.append(fold)
    return cells


def _fold(family: _Family, parent: str, relation: str, children: list[str]) -> Cell:
    best = sorted(children, key=lambda model: (-family.step[model].downloads, model))[:NAMED_IN_FOLD]
    status = Counter(family.step[model].status for model in children).most_common(1)[0][0]
    models = sum(family.size[model] for model in children)
    return Cell(parent, "fold", relation, status, models, best, 0, "", 0.0, 0.0, 0.0)
