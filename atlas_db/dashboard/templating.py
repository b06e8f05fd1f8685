"""Pages as HTML: one set of templates, and addresses for serving or for export to a folder."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import quote, urlencode

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from atlas_db.core.records import repository_path
from atlas_db.core.terms import RecordKind
from atlas_db.dashboard.view_queries import PANEL_QUERIES

PAGES = {
    "map": "Map",
    "family": "Families",
    "audit": "Audit",
    "questions": "Questions",
    "ecosystem": "Ecosystem",
    "quality": "Quality",
    "runs": "Runs",
}
MODELS = frozenset({"model", "ancestor", "parent", "child", "root", "base"})
"""Columns of tables with ids of models, or paths of datasets."""
WORDS = frozenset({"verdict", "audit_verdict", "finding"})
"""Columns whose values are shown with spaces."""
DATASETS = repository_path("", RecordKind.DATASET)
"""Beginning of the path of a dataset, and of no model's id."""


class Links(Protocol):
    """Addresses of pages, models, datasets and files, relative to the page that is rendered."""

    @property
    def static(self) -> bool:
        """True for an export, which no server answers."""

    def page(self, name: str, **query: str) -> str:
        """Address of a page."""

    def model(self, identifier: str, **query: str) -> str | None:
        """Address of a model's page; None where it has no page."""

    def author(self, name: str) -> str | None:
        """Address of an author's page; None where authors have none."""

    def asset(self, name: str) -> str:
        """Address of a script or style sheet."""

    def data(self, name: str) -> str:
        """Address of a data file."""


@dataclass(frozen=True, slots=True)
class Served:
    """Absolute addresses of a server."""

    static: bool = False

    def page(self, name: str, **query: str) -> str:
        """Address of a page."""
        return ("/" if name == "map" else f"/{name}") + (f"?{urlencode(query)}" if query else "")

    def model(self, identifier: str, **query: str) -> str | None:
        """Address of the page of a model, or of a dataset by its path."""
        page = quote(identifier) if identifier.startswith(DATASETS) else f"models/{quote(identifier)}"
        return f"/{page}" + (f"?{urlencode(query)}" if query else "")

    def author(self, name: str) -> str | None:
        """Address of an author's page."""
        return f"/author/{quote(name, safe='')}"

    def asset(self, name: str) -> str:
        """Address of a script or style sheet."""
        return f"/static/{name}"

    def data(self, name: str) -> str:
        """Address of a data file."""
        return f"/data/{name}"


@dataclass(frozen=True, slots=True)
class Exported:
    """Relative addresses that work on a disk.

    Attributes:
        models: File of each model that has a page.
        authors: File of each author that has one.
        above: `../` for a page in a folder, else empty.
    """

    models: Mapping[str, str] = field(default_factory=dict)
    authors: Mapping[str, str] = field(default_factory=dict)
    above: str = ""
    static: bool = True

    def page(self, name: str, **query: str) -> str:
        """Address of a page."""
        return f"{self.above}{'index' if name == 'map' else name}.html"

    def model(self, identifier: str, **query: str) -> str | None:
        """Address of a model's page; None where it has no page."""
        file = self.models.get(identifier)
        return None if file is None else f"{self.above}models/{file}"

    def author(self, name: str) -> str | None:
        """Address of an author's page; None where they have none."""
        file = self.authors.get(name)
        return None if file is None else f"{self.above}authors/{file}"

    def asset(self, name: str) -> str:
        """Address of a script or style sheet."""
        return f"{self.above}static/{name}"

    def data(self, name: str) -> str:
        """Address of a data file."""
        return f"{self.above}data/{name}"


def plotly_file() -> Path:
    """Return the file plotly.js of the plotly package."""
    return Path(str(files("plotly") / "package_data" / "plotly.min.js"))


@cache
def plotly_styles() -> tuple[str, ...]:
    """Return the ids of style elements that plotly.js adds to a page without them (those of its maps)."""
    return tuple(sorted(set(re.findall(r'getElementById\("([0-9a-f]{64})"\)', plotly_file().read_text("utf-8")))))


def file_of(identifier: str) -> str:
    """Return the file name of a model's or author's page: letters of its id, and a digest that makes it unique."""
    digest = hashlib.blake2b(identifier.encode("utf-8", errors="replace"), digest_size=6).hexdigest()
    return f"{re.sub('[^A-Za-z0-9_-]+', '-', identifier)[:80].strip('-')}-{digest}.html"


@cache
def environment() -> Environment:
    """Return the environment of the templates."""
    env = Environment(
        loader=PackageLoader("atlas_db.dashboard"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    env.filters["shown"] = shown
    env.filters["data"] = data_block
    env.globals.update(
        pages=PAGES, panel_queries=PANEL_QUERIES, models=MODELS, datasets=DATASETS, plotly_styles=plotly_styles()
    )
    return env


def render(template: str, page: Mapping[str, Any], links: Links, *, current: str, title: str, twin: str = "") -> str:
    """Render a page.

    Args:
        template: Name of the template, without ending.
        page: Contents.
        links: Addresses.
        current: Page that the navigation marks.
        title: Title.
        twin: Address of the same page as JSON, empty where there is none.
    """
    found = environment().get_template(f"{template}.html")
    return found.render(page=page, links=links, current=current, title=title, twin=twin)


def shown(value: object, name: str = "") -> str:
    """Return a value as text for readers: thousands separated, shares in per cent."""
    match value:
        case None | "":
            return "–"
        case bool():
            return "yes" if value else "no"
        case int():
            return f"{value:,}"
        case float():
            share = re.search("share|permissive|copyleft|english|languages|written|declare_|accuracy|precision", name)
            return f"{value:.1%}" if share else f"{value:.4g}"
        case str() if name in WORDS:
            return value.replace("_", " ")
        case str() if name.endswith("_at"):
            return value[:10]
        case list() | tuple():
            return ", ".join(shown(each) for each in value)
        case dict():
            return ", ".join(f"{key} {shown(each)}" for key, each in value.items())
        case _:
            return str(value)


def data_block(value: object) -> Markup:
    """Return a value as JSON for a script element: no tag can begin in it."""
    text = json.dumps(value, ensure_ascii=False)
    return Markup(text.replace("&", "\\u0026").replace("<", "\\u003c").replace(">", "\\u003e"))
