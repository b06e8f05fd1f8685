"""Tests of `atlas_db/dashboard/map/model_map.py`: the bytes of the map, and what a real browser makes of them."""

from __future__ import annotations

import base64
import csv
import json
import re
import struct
from collections import Counter
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from playwright.sync_api import Browser, Page, expect

from tests.support.dashboard_hub import FORMULA, META, SITE_ROWS
from tests.support.dashboard_site import Site

pytestmark = pytest.mark.xdist_group("dashboard")


def _bytes(site: Site, about: dict[str, Any]) -> bytes:
    texts = (site.get(f"/data/{name}.js")[2] for name in ("map", "sea"))
    payloads = [text.rsplit('"', 2)[1] for text in texts]
    assert sum(map(len, payloads)) <= 12.1 * about["models"] + 6, "twelve bytes a model on the wire"
    return b"".join(map(base64.b64decode, payloads))


def test_the_bytes_of_the_map_are_the_atlas(site: Site) -> None:
    about = site.json("/")["map"]
    assert about["models"] == len(SITE_ROWS) + 1, "and one name without a record"
    raw = _bytes(site, about)
    assert len(raw) == about["models"] * about["stride"]
    cells = [struct.unpack_from("<HH", raw, at * about["stride"]) for at in range(about["models"])]
    for region in about["regions"]:
        own = cells[region["first"] : region["first"] + region["models"]]
        assert len(set(own)) == len(own), "a cell a model"
        assert all(x < region["width"] and y < region["height"] for x, y in own)
    legend = {layer["name"]: {entry["word"]: entry["models"] for entry in layer["legend"]} for layer in about["layers"]}
    assert legend["license"]["vendor"] == sum("license:llama" in str(row["tags"]) for row in SITE_ROWS)
    assert legend["known"]["predicted"] == 1
    dated = Counter(str(row["createdAt"])[:7] for row in SITE_ROWS if "createdAt" in row)
    assert {word: number for word, number in legend["month"].items() if number and word in dated} == dated
    for layer in about["layers"]:
        codes = [
            raw[at * about["stride"] + layer["byte"]] >> layer["shift"] & layer["mask"] for at in range(len(cells))
        ]
        assert [codes.count(code) for code in range(len(layer["legend"]))] == [row["models"] for row in layer["legend"]]


def _map(page: Page, site: Site, view: str = "") -> None:
    page.goto("about:blank")
    page.goto(f"{site.url}/{view}")
    page.wait_for_selector(".map[data-whole]")


def _pixels(page: Page) -> str:
    page.wait_for_timeout(150)
    return str(page.evaluate("document.getElementById('chart').toDataURL()"))


def _spot(page: Page, model: str) -> tuple[float, float]:
    """Where on the page a model is."""
    box = page.locator("#chart").bounding_box()
    assert box is not None
    script = """async model => {
        const names = []; for (let at = 0; at < ATLAS.about.models; at++) names.push(await ATLAS.name(at));
        const [x, y] = ATLAS.spot(names.indexOf(model)), [left, top] = ATLAS.window();
        return [(x - left) * ATLAS.camera.zoom, (y - top) * ATLAS.camera.zoom];
    }"""
    x, y = page.evaluate(script, model)
    return box["x"] + x, box["y"] + y


def test_pointing_says_who_it_is_and_a_press_which_family(site: Site, page: Page) -> None:
    """The question "which family is this?", in one action."""
    _map(page, site)
    page.mouse.move(*_spot(page, "c/laundered"))
    lines = page.locator("#tip > *")
    expect(lines).to_have_count(3)
    expect(lines.nth(0)).to_have_text("c/laundered")
    expect(lines.nth(1)).to_have_text(f"finetune of {META}, declared")
    expect(lines.nth(2)).to_have_text("licence: permissive · violation")
    page.mouse.click(*_spot(page, "c/leaf"))
    card = page.locator("#place")
    expect(card.locator("h2")).to_have_text("c/leaf")
    expect(card).to_contain_text(f"{META} 34 models")
    expect(card).to_contain_text("quantized of c/laundered (declared), finetune of")
    expect(page.locator("#crumbs")).to_contain_text(META)
    page.locator("#chart").press("Enter")
    expect(page.locator("h1")).to_have_text("c/leaf")


def test_what_breaks_terms_is_one_press_of_the_legend(site: Site, page: Page) -> None:
    """The question "what breaks terms here?", in two actions; numbers are those of Cypher's verdicts."""
    _map(page, site)
    before = _pixels(page)
    page.select_option("#layer", label="Verdict of the audit")
    assert _pixels(page) != before, "the colours change without another page"
    button = page.locator("[data-facet='verdict'] button", has_text="violation")
    counted = {row["verdict"]: row["models"] for row in site.json("/audit")["verdicts"]}
    expect(button.locator("b")).to_have_text(str(counted["violation"]))
    button.click()
    expect(page.locator("#state")).to_have_text(f"{counted['violation']} of {len(SITE_ROWS) + 1} models")
    assert button.get_attribute("aria-pressed") == "true"
    page.get_by_role("button", name="List models").click()
    expect(page.locator("#found-table tbody tr")).to_have_count(counted["violation"])
    with page.expect_download() as download:
        page.get_by_role("button", name="Download as CSV").click()
    with Path(download.value.path()).open(newline="") as file:
        rows = list(csv.DictReader(file))
    listed = {row["model"] for row in site.json("/audit?verdict=violation")["findings"]}
    assert {row["model"] for row in rows} == listed - {FORMULA} | {f"'{FORMULA}"}, "no spreadsheet computes it"
    with page.expect_download() as download:
        page.get_by_role("button", name="Download as Parquet").click()
    rows = [{name: value.removeprefix("'") for name, value in row.items()} for row in rows]
    assert pq.read_table(download.value.path()).to_pylist() == rows, "the server's words are the page's"
    expect(page.locator("#found-cypher")).to_contain_text("MATCH (m:Model) WHERE m.id IN $ids")


def test_what_changed_in_a_month_is_one_press(site: Site, page: Page) -> None:
    """The question "what changed in May?", in one action; the slider shows the growth."""
    _map(page, site)
    months = {
        entry["word"]: entry["models"]
        for entry in next(layer for layer in site.json("/")["map"]["layers"] if layer["name"] == "month")["legend"]
    }
    month = next(word for word, number in months.items() if number and word != "unknown")
    page.get_by_role("button", name=f"{month}: ").click()
    expect(page.locator("#month")).to_have_text(month)
    expect(page.locator("#state")).to_contain_text(f"{months[month]} of ")
    last = page.locator("#until").get_attribute("max")
    page.locator("#until").evaluate(
        "(each, last) => { each.value = last; each.dispatchEvent(new Event('input')); }", last
    )
    known = sum(months.values()) - months["unknown"]
    expect(page.locator("#state")).to_contain_text(f"{known} of ")


def test_what_came_of_a_model_is_a_search(site: Site, page: Page) -> None:
    """The question "what came of Llama 3?", in one action; the map stays."""
    _map(page, site)
    start = page.evaluate("ATLAS.camera.zoom")
    page.fill("#q", "llama-3.1-8b")
    hit = page.locator("#hits li").first
    expect(hit).to_contain_text("llama3.1 · text-generation · 9,000 downloads")
    hit.click()
    card = page.locator("#place")
    expect(card.locator("h2")).to_have_text(META)
    expect(card).to_contain_text("31 quantized")
    expect(card).to_contain_text("verdicts of these")
    assert "/models/" not in page.url
    page.wait_for_function("start => ATLAS.camera.zoom > 1.2 * start", arg=start)


def test_who_made_it_is_a_press_and_its_author(site: Site, page: Page) -> None:
    """The question "who made it?", in two actions; numbers are those of Cypher."""
    _map(page, site)
    page.mouse.click(*_spot(page, "q/quant-7"))
    page.locator("#place").get_by_role("link", name="q", exact=True).click()
    expect(page.locator("h1")).to_have_text("q")
    expect(page.locator(".facts")).to_contain_text("Models 30")
    expect(page.locator("ol.worst li").first).to_contain_text("30 of the family's 34 models")
    asked = site.json("/questions/models_of_author?author=q&ask=1")["answer"]
    shown = site.json("/author/q")
    assert shown["models"] == asked["number"] == 30
    assert [row["model"] for row in shown["top"]] == [row["id"] for row in asked["rows"]][:25]
    assert shown["downloads"] == sum(range(30))


def test_every_view_has_an_address(site: Site, page: Page) -> None:
    _map(page, site)
    page.select_option("#layer", label="Task declared")
    page.locator("[data-facet='license'] summary").click()
    page.locator("[data-facet='license'] button", has_text="vendor").click()
    page.get_by_role("button", name="Select an area").click()
    box = page.locator("#chart").bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + 5, box["y"] + 5)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] * 0.55, box["y"] + box["height"] - 90)
    page.mouse.up()
    expect(page.locator("#found-title")).to_contain_text("models match")
    page.wait_for_url("**#*area=*")
    state, title = page.locator("#state").text_content(), page.locator("#found-title").text_content()
    assert state is not None and title is not None
    assert state.split()[0] == title.split()[0]
    assert 0 < int(state.split()[0]) < len(SITE_ROWS)
    view = "[...['x', 'y', 'zoom'].map(name => ATLAS.camera[name]), ...ATLAS.brush]"
    seen = page.evaluate(view)
    address = page.url
    page.goto("about:blank")
    page.goto(address)
    page.wait_for_selector(".map[data-whole]")
    expect(page.locator("#state")).to_have_text(state)
    assert page.locator("#layer").input_value() == "task"
    assert page.evaluate(view) == pytest.approx(seen, rel=1e-3)
    for hostile in (
        "#at=NaN,1,1&area=1,2&colour=nothing&license=<b>",
        "#model=%3Cimg%20src=x%20onerror=alert(1)%3E",
        "#at=1,1,-5",
    ):
        _map(page, site, hostile)
        assert page.locator("main img").count() == 0


def test_the_map_obeys_keys_and_a_narrow_window_turns_it(site: Site, page: Page, browser: Browser) -> None:
    _map(page, site)
    page.locator("#chart").focus()
    for key in ("+", "+", "ArrowLeft", "-", "0", "+", " "):
        page.keyboard.press(key)
    expect(page.locator("#place")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.locator("#place")).to_be_hidden()
    page.keyboard.press("Enter")
    page.wait_for_url("**/models/**")
    phone = browser.new_page(viewport={"width": 390, "height": 844}, has_touch=True)
    _map(phone, site)
    assert phone.evaluate("ATLAS.height > ATLAS.width")
    phone.touchscreen.tap(*_spot(phone, "c/laundered"))
    expect(phone.locator("#place h2")).to_have_text("c/laundered")
    phone.locator("#place .close").tap()
    before = phone.evaluate("ATLAS.camera.zoom")
    session = phone.context.new_cdp_session(phone)
    for kind, away in (("touchStart", 30), ("touchMove", 45), ("touchMove", 60), ("touchEnd", None)):
        points = [] if away is None else [{"x": 195 + side * away, "y": 400, "id": side + 1} for side in (-1, 1)]
        session.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})
    assert phone.evaluate("ATLAS.camera.zoom") > 1.5 * before, "two fingers zoom"
    phone.close()


_WRITTEN = """() => new Promise(done => {
    const pen = CanvasRenderingContext2D.prototype, fill = pen.fillText, found = [];
    pen.fillText = function (text, x, y) {
        const size = this.measureText(text);
        if (this.canvas.id === 'chart') {
            found.push([text, x - size.width / 2, y - size.actualBoundingBoxAscent, x + size.width / 2, y]);
        }
        return fill.apply(this, arguments);
    };
    ATLAS.draw();
    setTimeout(() => { pen.fillText = fill; done(found); }, 200);
})"""


def test_names_lie_neither_over_each_other_nor_under_the_buttons(site: Site, page: Page) -> None:
    """At every zoom, in a wide and in a narrow window."""
    written = 0
    for width in (1280, 390):
        page.set_viewport_size({"width": width, "height": 844})
        _map(page, site)
        frame = page.locator("#chart").bounding_box()
        assert frame is not None
        for presses in (0, 3, 3, 4):
            for _ in range(presses):
                page.keyboard.press("+")
            page.wait_for_timeout(250)
            boxes = [tuple(box) for box in page.evaluate(_WRITTEN)]
            written += len(boxes)
            for name in ("#buttons", "#crumbs", "#ruler", "#minimap"):
                box = page.locator(name).bounding_box() if page.locator(name).is_visible() else None
                if box is not None:
                    left, top = box["x"] - frame["x"], box["y"] - frame["y"]
                    boxes.append((name, left, top, left + box["width"], top + box["height"]))
            for at, one in enumerate(boxes):
                for other in boxes[at + 1 :]:
                    apart = one[3] <= other[1] + 1 or other[3] <= one[1] + 1
                    assert apart or one[4] <= other[2] + 1 or other[4] <= one[2] + 1, (width, presses, one, other)
            page.locator("#chart").focus()
    assert written > 20


def test_the_sea_is_grouped_by_author_on_demand(site: Site, page: Page) -> None:
    _map(page, site)
    sea = "ATLAS.regions.find(region => region.name === 'sea')"
    before = page.evaluate(f"[{sea}.models, ATLAS.spot({sea}.first + 3), ATLAS.spot(0)]")
    page.select_option("#sea", label="author, then task")
    page.wait_for_url("**#*sea=author*")
    text = site.get("/data/authors.js")[2]
    about = json.loads(re.match(r'ATLAS\.authors\((\{.*?\}),"', text, re.S)[1])  # type: ignore[index]
    named = page.evaluate("ATLAS.named.filter(name => name.zone !== undefined).map(name => [name.text, name.models])")
    assert [name for name, _ in named] == about["titles"]
    assert sum(models for _, models in named) == before[0], "each model is in one zone"
    cells = page.evaluate(f"{sea}.cells")
    assert len({model for model in cells if model >= 0}) == before[0], "a cell a model"
    address = page.url
    page.goto("about:blank")
    page.goto(address)
    page.wait_for_function("ATLAS.grouping === 'author'")
    assert page.locator("#sea").input_value() == "author"
    page.select_option("#sea", label="task, then author")
    after = page.evaluate(f"[{sea}.models, ATLAS.spot({sea}.first + 3), ATLAS.spot(0)]")
    assert after == before, "every place is as before"


def test_names_of_the_map_are_families_branches_and_authors(site: Site) -> None:
    text = site.get("/data/places.js")[2]
    found = json.loads(re.match(r"ATLAS\.places\((.*)\);", text, re.S)[1])  # type: ignore[index]
    families = {row[3]: row[2] for row in found if row[0] == "family"}
    assert families[META] == 34
    assert {row["id"]: row["models"] for row in site.json("/")["map"]["labels"]} == families
    zones = sum(row[2] for row in found if row[0] == "zone")
    about = site.json("/")["map"]
    assert zones == sum(region["models"] for region in about["regions"] if region["name"] != "land")
