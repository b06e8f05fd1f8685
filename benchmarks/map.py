"""How fast the map is drawn and moved: `python -m benchmarks.map --models 3100000 --out FOLDER`.

Models are made up: families by a power law, children that prefer early members, licences that mostly follow the
parent, most models without relatives. Their map is written as an export writes it, opened from the disk in Chromium,
and dragged from afar and from near. With `--address` the map at an address is measured instead; that of a running
dashboard with its search.
"""

from __future__ import annotations

import argparse
import shutil
import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from playwright.sync_api import Page, sync_playwright

from atlas_db.analysis.forest import build_forest
from atlas_db.analysis.frames import AtlasFrames
from atlas_db.columnar.graph import Column, Graph, ListedDatasets
from atlas_db.core.arrays import CsrLists, Doubles, Integers
from atlas_db.core.terms import Relation, Status, Verdict
from atlas_db.dashboard.aggregates import Bundle
from atlas_db.dashboard.app import STATIC
from atlas_db.dashboard.map.model_map import build_map
from atlas_db.dashboard.templating import Exported, render
from atlas_db.dashboard.views import map_page
from benchmarks.dashboard import FLAGS

ALONE = 0.85
"""Share of models without relatives, as in the list of July 2024."""
LICENSES = ("apache-2.0", "mit", "llama2", "openrail", "cc-by-nc-4.0", "gpl-3.0", "other")
TASKS = (
    "text-generation", "text-classification", "text-to-image", "reinforcement-learning", "fill-mask", "translation",
    "automatic-speech-recognition", "image-classification", "token-classification", "question-answering",
    "summarization", "object-detection",
)  # fmt: skip
FIRST_DAY, LAST_DAY = 19053.0, 20600.0
"""Dates of creation, days since 1970."""
KEPT = 0.8
"""Share of children that declare the licence of their parent."""
_DRAG = 60
_FRAMES = """() => { window.frames_ = []; let last = performance.now();
    const step = now => { frames_.push(now - last); last = now; requestAnimationFrame(step); };
    requestAnimationFrame(step); }"""


def draw_families(models: int, random: np.random.Generator) -> Integers:
    """Return the parent of each model, -1 for roots and single models, shape (models,)."""
    linked = round(models * (1 - ALONE))
    sizes = np.minimum(random.zipf(1.9, linked // 2 + 1) + 1, max(2, models // 100))
    sizes = sizes[: int(np.searchsorted(np.cumsum(sizes), linked)) + 1]
    first = np.cumsum(sizes) - sizes
    member = np.arange(int(sizes.sum())) - np.repeat(first, sizes)
    above = np.repeat(first, sizes) + np.floor(member * random.random(len(member)) ** 3).astype(np.int64)
    parent = np.full(models, -1, np.int64)
    kept = min(len(above), models)
    parent[:kept] = np.where(member == 0, -1, above)[:kept]
    return parent


def make_frames(models: int, seed: int = 0) -> AtlasFrames:
    """Return an atlas of made-up models.

    Args:
        models: Number of models.
        seed: Seed of all draws.
    """
    random = np.random.default_rng(seed)
    parent = draw_families(models, random)
    author = np.minimum(random.zipf(1.6, models) - 1, models // 5)
    created = FIRST_DAY + (LAST_DAY - FIRST_DAY) * np.sqrt(random.random(models))
    graph = _graph(parent, author, created, random)
    child = np.flatnonzero(parent >= 0)
    edges = pd.DataFrame({
        "child": child, "parent": parent[child], "relation": random.choice([*map(str, Relation)], len(child)),
        "confidence": np.ones(len(child)), "status": Status.DECLARED.value, "active": True,
    })  # fmt: skip
    rank = np.empty(models, np.int64)
    rank[np.argsort(created)] = np.arange(models)
    none = pd.DataFrame({"model": np.zeros(0, np.int64), "value": [], "confidence": []})
    return AtlasFrames(graph, edges, build_forest(parent, rank), {"license": none})


def _graph(parent: Integers, author: Integers, created: Doubles, random: np.random.Generator) -> Graph:
    models = len(parent)
    license = random.integers(-len(LICENSES), len(LICENSES), models).clip(-1)
    for row in np.flatnonzero((parent >= 0) & (random.random(models) < KEPT)).tolist():
        license[row] = license[parent[row]]
    task = np.minimum(random.zipf(1.5, models) - 2, len(TASKS) - 1)
    edges = np.flatnonzero(parent >= 0)
    ones = np.ones(len(edges), np.bool_)
    verdicts = random.choice(np.array([*map(str, Verdict)], object), models, p=(0.2, 0.1, 0.6, 0.07, 0.03))
    return Graph(
        [f"author-{owner}/model-{row}" for row, owner in enumerate(author.tolist())], np.zeros(models, np.bool_),
        created, random.zipf(1.7, models) - 1, np.zeros(models, np.int64), [], author,
        np.full(models, -1), {"license": _column(LICENSES, license), "pipeline_tag": _column(TASKS, task)},
        ListedDatasets([], np.zeros(0)), CsrLists(parent[edges], np.searchsorted(edges, np.arange(models + 1))),
        np.zeros(len(edges), np.int64), ones.astype(np.float32), ones, ~ones,
        {"audit_verdict": verdicts.tolist(), "weights_hash": [None] * models},
    )  # fmt: skip


def _column(values: tuple[str, ...], codes: Integers) -> Column:
    filled = codes >= 0
    return Column(list(values), CsrLists(codes[filled], np.concatenate(([0], np.cumsum(filled)))))


def write_export(models: int, out: Path) -> None:
    """Write the map of made-up models as a folder that opens from a disk."""
    shutil.rmtree(out, ignore_errors=True)
    (out / "data").mkdir(parents=True)
    shutil.copytree(STATIC, out / "static")
    model_map = build_map(make_frames(models))
    model_map.write(out / "data")
    report: dict[str, Any] = {
        "models": models, "names_alone": 0, "weights_alone": 0, "map": model_map.describe(), "made": "now", "key": "",
    }  # fmt: skip
    page = map_page(Bundle(out, report))
    (out / "index.html").write_text(render("map", page, Exported(), current="map", title="Map"), encoding="utf-8")
    (out / "data" / "pages.js").write_text("ATLAS.pages({},{});\n", encoding="utf-8")


def frames_of_drag(page: Page) -> tuple[float, float, float]:
    """Return frames a second while the map is dragged, and the 95th percentile and the longest of their times in ms."""
    box = page.locator(".map canvas").first.bounding_box()
    if box is None:
        raise SystemExit("there is no map on the page")
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    page.mouse.move(x, y)
    page.mouse.down()
    page.evaluate(_FRAMES)
    start = time.perf_counter()
    for step in range(1, _DRAG + 1):
        page.mouse.move(x + 3 * step, y + 2 * step)
    while time.perf_counter() - start < 1:
        page.mouse.move(x, y)
    taken = np.array(page.evaluate("frames_")[1:])
    page.mouse.up()
    return 1000 / float(taken.mean()), float(np.quantile(taken, 0.95)), float(taken.max())


def measure(address: str, *, search: bool) -> None:
    """Print what the map at an address takes."""
    with sync_playwright() as playwright:
        path = shutil.which("chromium") or shutil.which("google-chrome")
        browser = playwright.chromium.launch(executable_path=path, args=FLAGS)
        for _ in range(3):
            page = browser.new_page(viewport={"width": 1440, "height": 900})
            page.goto(address)
            page.wait_for_selector(".map[data-drawn]", timeout=120_000)
            drawn = float(page.evaluate("document.querySelector('.map').dataset.drawn")) / 1000
            whole = ""
            if page.evaluate("typeof ATLAS.listed") == "object":
                page.wait_for_selector(".map[data-whole]", timeout=120_000)
                whole = f", all {float(page.evaluate('''document.querySelector('.map').dataset.whole''')) / 1000:.2f} s"
            page.wait_for_timeout(1500)
            print(f"first picture {drawn:.2f} s{whole}", flush=True)
            for zoom in (0, 6, 12):
                for _ in range(zoom // 6 and 6):
                    page.get_by_role("button", name="Zoom in").click()
                page.wait_for_timeout(1500)
                print("  zoom {:>3}: {:4.0f} frames a second, 95 % within {:.0f} ms, longest {:.0f} ms".format(
                    f"x{1.5 ** zoom:.0f}", *frames_of_drag(page)), flush=True)  # fmt: skip
            if search:
                start = time.perf_counter()
                page.fill("#q", "llama-3-8b")
                page.wait_for_selector("#hits li, .results li", timeout=30_000)
                print(f"  search: suggestions after {time.perf_counter() - start:.2f} s")
            page.close()
        browser.close()


def main() -> None:
    """Make a map, or take a running one, and measure it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", type=int, default=3_100_000)
    parser.add_argument("--out", type=Path, default=Path("map-benchmark"), help="folder to write")
    parser.add_argument("--address", help="measure the map at this address instead")
    options = parser.parse_args()
    if options.address is None:
        start = time.perf_counter()
        write_export(options.models, options.out)
        print(f"{options.models:,} made-up models laid out and written in {time.perf_counter() - start:.0f} s")
    address = options.address or (options.out / "index.html").resolve().as_uri()
    measure(address, search=address.startswith("http"))


if __name__ == "__main__":
    main()
