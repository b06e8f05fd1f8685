"""The dashboard in a real browser: every page, the way from a search to a finding, the export from a disk."""

from __future__ import annotations

import base64
import json
import os
import re
import shutil
import signal
import struct
import subprocess
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, expect, sync_playwright

from atlas_db.core.settings import Settings
from atlas_db.store.connect import connect
from atlas_db.store.statements import merge_edges
from tests.support.command import ATLAS, run
from tests.support.graphs import child, model, write_rows
from tests.support.hubs import made_up

META = "meta-llama/Llama-3.1-8B"
HOSTILE = "evil/<img src=x onerror=alert(1)>"
ROWS = [
    *made_up(260),
    model(META, tags=["en", "license:llama3.1"], pipeline_tag="text-generation", downloads=9000),
    child("c/laundered", f"finetune:{META}", tags=["license:apache-2.0", "dataset:squad"], downloads=800),
    child("c/leaf", "quantized:c/laundered", tags=["license:mit"], downloads=700),
    *(child(f"q/quant-{n}", f"quantized:{META}", tags=["license:llama3.1"], downloads=n) for n in range(30)),
    child("g/guessed", f"finetune:{META}"),
    child("h/hostile", f"finetune:{HOSTILE}", tags=["license:mit"]),
]
PAGES = {
    "/": "Map",
    "/region": "Regions",
    "/ecosystem": "Ecosystem",
    "/audit": "Audit",
    "/quality": "Quality",
    "/runs": "Runs",
    f"/models/{META}": "Llama-3.1-8B",
    f"/compare?left={META}&right=c/laundered": "Compare",
    "/search?q=quant": "Search",
}
FLAGS = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
]  # fmt: skip


@dataclass
class Site:
    """A dashboard that is running."""

    home: Path
    url: str

    def get(self, path: str, host: str = "") -> tuple[int, Any, str]:
        request = urllib.request.Request(self.url + path, headers={"Host": host} if host else {})
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                return answer.status, answer.headers, answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.headers, error.read().decode()

    def json(self, path: str) -> Any:
        status, _, text = self.get(path + ("&" if "?" in path else "?") + "format=json")
        assert status == 200, text
        return json.loads(text)


@pytest.fixture(scope="module")
def home(empty_home: Path) -> Path:
    folder = empty_home
    run(folder, "load", write_rows(folder / "rows.jsonl", ROWS))
    with connect(Settings(home=folder, heap="1g")) as store:
        props = {
            "source": "predicted", "confidence": 0.97, "method": "test@1", "run_id": "completion-test", "evidence": '{"test": "ranking", "groups": {"author": {"positives": 3, "total": 4}}}',
            "first_seen": "2024-06-01", "last_seen": "2024-06-01",
        }  # fmt: skip
        row = {"a": "g/guessed", "b": "llama3.1", "set": props}
        store.write(lambda tx: tx.run_batch(merge_edges("HAS_LICENSE", "Model", "License"), [row]))
    run(folder, "audit", "--all")
    return folder


@pytest.fixture(scope="module")
def site(home: Path) -> Iterator[Site]:
    env = {**os.environ, "ATLAS_DB_HOME": str(home), "ATLAS_DB_HEAP": "1g"}
    command = [*ATLAS, "dashboard", "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=env) as process:
        try:
            yield _ready(process, home)
        finally:
            process.send_signal(signal.SIGINT)
            process.communicate(timeout=30)


def _ready(process: subprocess.Popen[str], home: Path) -> Site:
    assert process.stdout is not None
    line = process.stdout.readline()
    match = re.match(r"(http://127\.0\.0\.1:\d+)/", line)
    assert match, line
    found = Site(home, match[1])
    assert found.get("/")[0] == 200, "what was announced is ready"
    return found


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    path = os.environ.get("ATLAS_DB_TEST_CHROMIUM") or shutil.which("chromium") or shutil.which("google-chrome")
    if path is None:
        if os.environ.get("CI"):
            pytest.fail("there is no Chromium; install Debian's package chromium, or set ATLAS_DB_TEST_CHROMIUM")
        pytest.skip("there is no Chromium; install Debian's package chromium, or set ATLAS_DB_TEST_CHROMIUM")
    with sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path=path, args=FLAGS)
        yield launched
        launched.close()


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    """A page that must not complain."""
    fresh = browser.new_page(viewport={"width": 1280, "height": 900})
    observed: list[str] = []
    fresh.on("console", lambda message: observed.append(message.text) if message.type in ("error", "warning") else None)
    fresh.on("pageerror", lambda error: observed.append(str(error)))
    # What is aborted is a download, or a page that was left.
    fresh.on("requestfailed", lambda each: None if each.failure == "net::ERR_ABORTED" else observed.append(each.url))
    yield fresh
    fresh.close()
    assert observed == []


def test_every_page_loads_with_its_title_and_has_a_twin_in_json(site: Site, page: Page) -> None:
    for path, title in PAGES.items():
        answer = page.goto(site.url + path)
        assert answer is not None
        assert answer.status == 200, path
        page.wait_for_load_state("networkidle")
        assert title in page.title()
        assert "default-src 'none'" in answer.headers["content-security-policy"]
        outside = page.eval_on_selector_all(
            "[src],link[href],form[action]", "all => all.map(e => e.src || e.href || e.action).filter(Boolean)"
        )
        assert all(address.startswith((site.url, "data:")) for address in outside), path
        assert site.json(path)
    described = json.loads(site.get("/openapi.json")[2])["paths"]
    assert {"/", "/region", "/ecosystem", "/audit", "/quality", "/runs", "/models/{model}", "/compare"} <= set(
        described
    )
    assert all("format" in str(each["get"]) for path, each in described.items() if not path.startswith("/download"))


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_pages_are_accessible_and_fit_narrow_screens(site: Site, browser: Browser, scheme: Any) -> None:
    """WCAG 2.1 A and AA, contrast included, by axe-core; no page is wider than a telephone."""
    page = browser.new_page(viewport={"width": 390, "height": 800}, color_scheme=scheme)
    for path in PAGES:
        page.goto(site.url + path)
        page.wait_for_load_state("networkidle")
        found = Axe().run(page, options={"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa"]})
        assert found.violations_count == 0, (path, found.generate_report())
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), path
    page.close()


def test_from_a_search_to_an_ancestor_to_a_finding(site: Site, page: Page) -> None:
    page.goto(site.url)
    page.keyboard.press("/")
    expect(page.locator("#q")).to_be_focused()
    page.keyboard.type("leaf")
    expect(page.locator("#found option")).to_have_count(1)
    page.keyboard.press("Enter")
    page.get_by_role("link", name="c/leaf").click()
    expect(page.locator("h1")).to_have_text("c/leaf")
    finding = page.locator("article.finding", has_text="violation").first
    expect(finding).to_contain_text(META)
    expect(finding).to_contain_text("section 1.b.i")
    expect(finding).to_contain_text("Path: c/leaf")
    expect(finding).to_contain_text("Licence: https://")
    page.get_by_role("link", name="Show what is beyond c/laundered").click()
    box = page.locator(f"g.box[data-id='{META}']")
    expect(box).to_be_visible()
    box.locator("a").first.click()
    expect(page.locator("h1")).to_have_text(META)
    page.get_by_role("link", name="30 quantized").click()
    assert page.locator("g.box.model").count() == 30 + 2, "the unfolded fan, and what else comes from it"


def test_lineage_shows_sources_and_hides_what_is_uncertain(site: Site, page: Page) -> None:
    page.goto(f"{site.url}/models/{META}")
    assert page.locator("path.edge.declared[data-child]").count() == 8, "five of thirty, the fold, and two others"
    fold = page.locator("g.box.fan")
    expect(fold).to_contain_text("+25 quantized")
    page.locator("#min-confidence").evaluate("each => { each.value = 1; each.dispatchEvent(new Event('input')); }")
    confident = [
        float(edge.get_attribute("data-confidence") or 0) for edge in page.locator("path.edge[data-child]").all()
    ]
    assert page.locator("path.edge.faded").count() == sum(value < 1 for value in confident)
    page.goto(f"{site.url}/models/g/guessed")
    expect(page.get_by_text("Predicted: what its author would declare, not what is permitted")).to_be_visible()
    expect(page.locator("main")).to_contain_text("0.97")
    expect(page.locator("main")).to_contain_text("3 of 4 declare it")
    with page.expect_download() as download:
        page.get_by_role("link", name="Bill of materials").click()
    document = json.loads(Path(download.value.path()).read_text())
    assert document["bomFormat"] == "CycloneDX"


def _pixels(page: Page) -> str:
    return str(page.evaluate("document.getElementById('chart').toDataURL()"))


def test_the_map_is_the_atlas(site: Site, page: Page) -> None:
    page.goto(site.url)
    page.wait_for_selector(".map[data-drawn]")
    about = site.json("/")["map"]
    assert about["models"] == len(ROWS) + 1, "and one name without a record"
    text = site.get("/data/map.js")[2]
    payload = text[text.rindex(',"') + 2 : text.rindex('"')]
    assert len(payload) <= 13.4 * about["models"] + 3, "at most sixteen bytes a model on the wire"
    raw = base64.b64decode(payload)
    cells = [struct.unpack_from("<HH", raw, at * about["stride"]) for at in range(about["models"])]
    assert len(set(cells)) == len(cells)
    legend = {entry["word"]: entry["models"] for entry in about["layers"][0]["legend"]}
    assert legend["vendor"] == sum("license:llama" in str(row["tags"]) for row in ROWS)
    known = {entry["word"]: entry["models"] for entry in about["layers"][5]["legend"]}
    assert known["predicted"] == 1
    for layer in about["layers"]:
        codes = [
            raw[at * about["stride"] + layer["byte"]] >> layer["shift"] & layer["mask"] for at in range(len(cells))
        ]
        assert [codes.count(code) for code in range(len(layer["legend"]))] == [row["models"] for row in layer["legend"]]
    before = _pixels(page)
    page.select_option("#layer", label="Verdict of the audit")
    assert _pixels(page) != before
    expect(page.locator("#legend")).to_contain_text("violation")
    names = json.loads(re.match(r"ATLAS\.names\(0,(.*)\);", site.get("/data/names/0.js")[2], re.S)[1])
    x, y = cells[names.index(META)]
    box = page.locator("#chart").bounding_box()
    assert box is not None
    scale = min(box["width"] / about["width"], box["height"] / about["height"])
    spot = (
        box["x"] + (box["width"] - about["width"] * scale) / 2 + (x + 0.5) * scale,
        box["y"] + (box["height"] - about["height"] * scale) / 2 + (y + 0.5) * scale,
    )
    page.mouse.move(*spot)
    expect(page.locator("#tip")).to_contain_text(META)
    expect(page.locator("#tip")).to_contain_text("root of a family")
    page.mouse.click(*spot)
    expect(page.locator("h1")).to_have_text(META)
    page.goto(site.url)
    page.wait_for_selector(".map[data-drawn]")
    page.locator("#chart").focus()
    for key in ("+", "+", "ArrowLeft", "Enter"):
        page.keyboard.press(key)
    page.wait_for_url("**/models/**")


def test_without_scripts_there_is_a_picture(site: Site, browser: Browser) -> None:
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(site.url)
    assert page.locator("noscript img").count() == 1 or page.locator("img[alt*='Map']").count() == 1
    page.goto(f"{site.url}/models/{META}")
    expect(page.locator("svg.lineage").first).to_be_visible()
    context.close()


def test_tables_sort_and_audit_filters(site: Site, page: Page) -> None:
    page.goto(f"{site.url}/audit?verdict=violation")
    rows = site.json("/audit?verdict=violation")
    everything = site.json("/audit")
    assert 0 < rows["number"] < everything["number"]
    assert {row["verdict"] for row in rows["findings"]} == {"violation"}
    head = page.locator("#findings th", has_text="model").first
    for order in ("descending", "ascending"):
        head.get_by_role("button").press("Enter")
        assert head.get_attribute("aria-sort") == order
        models = page.locator("#findings tbody tr td:first-child").all_text_contents()
        assert models == sorted(models, key=str.lower, reverse=order == "descending")
    csv = site.get("/download/audit.csv?verdict=violation")[2]
    assert len(csv.splitlines()) == rows["number"] + 1
    log = json.loads(site.get("/download/audit.sarif?verdict=violation")[2])
    assert len(log["runs"][0]["results"]) == rows["number"]


def test_bad_input_gets_a_plain_page(site: Site, page: Page) -> None:
    for path in (f"/models/{HOSTILE}", "/models/%3Cscript%3Ealert(1)%3C/script%3E", "/search?q=%3Cscript%3Ealert(1)"):
        _, _, text = site.get(path.replace(" ", "%20").replace("<", "%3C").replace(">", "%3E"))
        assert "<script>alert" not in text
        assert "<img src=x" not in text
    page.goto(f"{site.url}/models/h/hostile")
    assert page.locator("svg.lineage img, main img").count() == 0
    status, _, text = site.get("/models/meta-llama/Llama-3.1-8")
    assert status == 404
    assert f"Did you mean {META}" in text
    for path, code in {
        "/nothing": 404, "/region?share=7": 400, "/audit?page=0": 400, "/models/" + "a" * 3000: 404,
        f"/models/{META}?open=" + ",".join(map(str, range(90))): 200, "/region?a=no/body": 404, "/search?q=" + "a" * 600: 400,
        "/data/report.json": 404, "/data/names/..%2freport.json": 404, "/data/names/99999.js": 404, "/audit?format=xml": 400,
    }.items():  # fmt: skip
        status, headers, text = site.get(path)
        assert status == code, path
        assert "Traceback" not in text
        assert headers["X-Content-Type-Options"] == "nosniff"
    assert json.loads(site.get("/models/no/body?format=json")[2])["error"] == "Not found"
    assert site.get("/", host="evil.example")[0] == 400, "no other name leads here"


def test_the_store_may_go_away_and_come_back(site: Site) -> None:
    run(site.home, "store", "stop")
    assert site.get("/")[0] == 200, "what was counted needs no store"
    answers = [site.get(f"/models/{META}")[0] for _ in range(3)]
    assert answers[-1] == 200
    assert set(answers) <= {200, 503}


def test_usage(home: Path, tmp_path: Path) -> None:
    empty = f"local:{tmp_path / 'empty'}"
    assert "is empty" in run(home, "dashboard", "--port", "0", "--store", empty, code=3).stderr
    run(home, "store", "stop", "--store", empty)
    assert "no log-in" in run(home, "dashboard", "--host", "0.0.0.0", code=2).stderr
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "thesis.txt").write_text("mine")
    assert "holds something else" in run(home, "dashboard", "--export", str(tmp_path / "full"), code=2).stderr
    assert (tmp_path / "full" / "thesis.txt").read_text() == "mine"


def test_the_export_opens_from_a_disk(home: Path, page: Page, tmp_path: Path) -> None:
    out = tmp_path / "site"
    for _ in range(2):
        run(home, "dashboard", "--export", str(out), "--models", "40")
    page.goto((out / "index.html").as_uri())
    page.wait_for_selector(".map[data-drawn]")
    page.fill("#find", META.lower())
    page.keyboard.press("Enter")
    expect(page.locator("#state")).to_have_text(META)
    expect(page.locator("#tip")).to_contain_text(META)
    page.locator("#chart").press("Enter")
    expect(page.locator("h1")).to_have_text(META)
    page.get_by_role("link", name="c/laundered").first.click()
    expect(page.locator("article.finding").first).to_contain_text(META)
    for name in ("Regions", "Ecosystem", "Audit", "Quality", "Runs", "Map"):
        page.get_by_role("link", name=name, exact=True).click()
        page.wait_for_load_state("load")
        assert name.rstrip("s") in page.title()
        if name == "Ecosystem":
            expect(page.locator("[data-figure] .main-svg").first).to_be_visible()
    text = "".join(file.read_text() for file in out.rglob("*.html"))
    assert not re.search(r'(src|href)="(/|http)', text), "nothing leads out of the folder"
