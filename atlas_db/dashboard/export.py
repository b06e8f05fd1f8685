"""Export of all pages as a folder that opens from a disk, without a server."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from pathlib import Path

from atlas_db.core.errors import UsageError
from atlas_db.core.terms import Progress
from atlas_db.dashboard import questions, views
from atlas_db.dashboard.aggregates import Bundle
from atlas_db.dashboard.app import STATIC
from atlas_db.dashboard.author_view import author_page
from atlas_db.dashboard.templating import PAGES, Exported, file_of, plotly_file, render
from atlas_db.store.bolt import Store

MAP_FILES = ("map.js", "sea.js", "places.js", "authors.js")
MARKER_FILE = "atlas-db-export"
"""File that marks a folder as an export."""


def require_replaceable(out: Path) -> None:
    """Check that an export may replace a folder: it is new, empty, or an earlier export.

    Raises:
        UsageError: The folder holds something else.
    """
    if out.exists() and any(out.iterdir()) and not (out / MARKER_FILE).exists():
        raise UsageError(f"{out} holds something else", hint="Give an empty or a new folder")


def export_site(
    store: Store, bundle: Bundle, out: Path, models: int, progress: Progress = lambda *_: None
) -> dict[str, int]:
    """Write all pages, and the pages of the most downloaded models and of their authors.

    Args:
        store: The store.
        bundle: Its bundle.
        out: Folder to write; an earlier export there is replaced.
        models: Number of models with a page of their own; the map has all models.
        progress: Called with stage, done and total.

    Returns:
        Numbers of pages and of files.

    Raises:
        UsageError: The folder holds something else.
    """
    require_replaceable(out)
    fresh = out.with_name(out.name + ".part")
    shutil.rmtree(fresh, ignore_errors=True)
    for part in ("models", "authors"):
        (fresh / part).mkdir(parents=True)
    (fresh / MARKER_FILE).write_text(bundle.report["made"], encoding="utf-8")
    shutil.copytree(STATIC, fresh / "static")
    shutil.copy(plotly_file(), fresh / "static" / "plotly.min.js")
    shutil.copytree(bundle.folder / "names", fresh / "data" / "names")
    for file in (*(bundle.folder / name for name in MAP_FILES), *bundle.folder.glob("map-*.png")):
        shutil.copy(file, fresh / "data" / file.name)
    chosen = bundle.most_downloaded(models)
    named = {name: file_of(name) for name in chosen}
    recorded = [name for name in chosen if "/" in name and not bundle.without_record([name])]
    authors = {name: file_of(name) for name in dict.fromkeys(each.partition("/")[0] for each in recorded)}
    text = f"ATLAS.pages({json.dumps(named)},{json.dumps(authors)});\n"
    (fresh / "data" / "pages.js").write_text(text, encoding="utf-8")
    _pages(store, bundle, fresh, Exported(named, authors))
    inner = Exported(named, authors, above="../")
    _models(store, bundle, chosen, fresh, inner, progress)
    _authors(store, bundle, fresh, inner, progress)
    if out.exists():
        shutil.rmtree(out)
    fresh.rename(out)
    return {
        "pages": len(PAGES) + len(chosen) + len(authors),
        "files": sum(1 for file in out.rglob("*") if file.is_file()),
    }


def _pages(store: Store, bundle: Bundle, out: Path, links: Exported) -> None:
    held = {
        "map": ("Map", views.map_page(bundle)),
        "family": ("Families", views.family_page(store, bundle, [])),
        "ecosystem": ("Ecosystem", views.ecosystem_page(bundle)),
        "audit": ("Audit", views.audit_page(bundle, {})),
        "questions": ("Questions", questions.questions_page()),
        "quality": ("Quality", views.quality_page(bundle)),
        "runs": ("Runs", views.runs_page(store)),
    }
    for name, (title, page) in held.items():
        text = render(name, page, links, current=name, title=title)
        (out / links.page(name)).write_text(text, encoding="utf-8")


def _models(
    store: Store, bundle: Bundle, chosen: Sequence[str], out: Path, links: Exported, progress: Progress
) -> None:
    for at, name in enumerate(chosen):
        progress("model pages", at, len(chosen))
        text = render("model", views.model_page(store, name, bundle=bundle), links, current="", title=name)
        (out / "models" / links.models[name]).write_text(text, encoding="utf-8")
    progress("model pages", len(chosen), len(chosen))


def _authors(store: Store, bundle: Bundle, out: Path, links: Exported, progress: Progress) -> None:
    for at, (name, file) in enumerate(links.authors.items()):
        progress("author pages", at, len(links.authors))
        text = render("author", author_page(store, bundle, name), links, current="", title=name)
        (out / "authors" / file).write_text(text, encoding="utf-8")
    progress("author pages", len(links.authors), len(links.authors))
