"""The dashboard in a real browser: every page, the way from a search to a finding, the export from a disk."""

from __future__ import annotations

import csv
import io
import json
import re
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any, Literal
from urllib.parse import quote

import pyarrow.parquet as pq
import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, expect

from atlas_db.dashboard.app import STATIC
from tests.support.command import run
from tests.support.dashboard_hub import FORMULA, HOSTILE, META, SITE_ROWS
from tests.support.dashboard_site import Site

pytestmark = pytest.mark.xdist_group("dashboard")
PAGES = {
    "/": "Map",
    "/family": "Families",
    "/ecosystem": "Ecosystem",
    "/audit": "Audit",
    "/quality": "Quality",
    "/runs": "Runs",
    f"/models/{META}": "Llama-3.1-8B",
    f"/compare?left={META}&right=c/laundered": "Compare",
    "/search?q=quant": "Search",
    "/author/c": "c",
    "/questions": "Questions",
    "/questions/children?model=c/laundered&ask=1": "Children",
    "/cypher?q=MATCH+(m:Model)+RETURN+m.license+AS+license,+count(m)+AS+models": "Cypher",
}


_FONT_SIZES = """[...document.querySelectorAll('body *')]
    .filter(each => !each.closest('.plot') && [...each.childNodes].some(node => node.nodeType === 3 && node.data.trim()))
    .map(each => getComputedStyle(each).fontSize)"""


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
    assert {"/", "/family", "/ecosystem", "/audit", "/quality", "/runs", "/models/{model}", "/compare"} <= set(
        described
    )
    assert all("format" in str(each["get"]) for path, each in described.items() if not path.startswith("/download"))


def test_texts_have_the_sizes_of_one_scale() -> None:
    style = (STATIC / "atlas.css").read_text()
    stated = re.findall(r"font(?:-size)?: *([^;}]+)", style)
    assert len(stated) > 30
    assert {size for size in stated if size != "inherit" and not re.match(r"var\(--text-[1-6]\)", size)} == set()


def test_pages_are_accessible_and_fit_narrow_screens(site: Site, browser: Browser) -> None:
    """WCAG 2.1 A and AA, contrast included, by axe-core; no page is wider than a telephone."""
    page = browser.new_page(viewport={"width": 390, "height": 800})
    schemes: tuple[Literal["light", "dark"], ...] = ("light", "dark")
    for place, path in enumerate(PAGES):
        # Each page is loaded in one scheme, and goes over to the other.
        first, then = schemes if place % 2 else schemes[::-1]
        page.emulate_media(color_scheme=first)
        page.goto(site.url + path)
        page.wait_for_load_state("networkidle")
        for scheme in (first, then):
            page.emulate_media(color_scheme=scheme)
            found = Axe().run(page, options={"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa"]})
            assert found.violations_count == 0, (path, scheme, found.generate_report())
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), path
        sizes = page.evaluate(_FONT_SIZES)
        assert set(sizes) <= {"12px", "14px", "16px", "18px", "20px", "26px"}, path
        header = page.locator("header").bounding_box()
        assert header is not None
        assert header["height"] < 90, "name and search in a line, pages in another"
    page.close()


def test_from_a_search_to_an_ancestor_to_a_finding(site: Site, page: Page) -> None:
    page.goto(site.url)
    page.keyboard.press("/")
    expect(page.locator("#q")).to_be_focused()
    page.keyboard.type("leaf")
    expect(page.locator("#hits li")).to_have_count(1)
    expect(page.locator("#hits li")).to_contain_text("mit · no task · 700 downloads")
    page.keyboard.press("Enter")
    page.locator("#place").get_by_role("link", name="c/leaf").click()
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


def test_pages_print_without_controls_on_light_paper_and_nothing_is_cut(site: Site, browser: Browser) -> None:
    page = browser.new_page(viewport={"width": 688, "height": 900}, color_scheme="dark")
    for path in ("/audit", "/author/c", f"/models/{META}", f"/family?a={META}"):
        page.goto(site.url + path)
        page.wait_for_load_state("networkidle")
        page.emulate_media(media="print", color_scheme="dark")
        for control in ("header", ".buttonbar", ".filters"):
            assert not any(each.is_visible() for each in page.locator(control).all()), path
        assert page.evaluate("getComputedStyle(document.body).color") == "rgb(22, 32, 44)", path
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), path
        assert page.pdf(format="A4").startswith(b"%PDF-")
        assert page.locator(".plot svg.main-svg").count() >= page.locator("[data-figure]").count(), path
        page.emulate_media(media="screen")
    page.goto(site.url)
    page.wait_for_selector(".map[data-whole]")
    corner = "[...document.getElementById('chart').getContext('2d').getImageData(2, 2, 1, 1).data].slice(0, 3)"
    assert max(page.evaluate(corner)) < 60, "dark on a dark screen"
    for moment, bright in (("beforeprint", True), ("afterprint", False)):
        page.evaluate("moment => dispatchEvent(new Event(moment))", moment)
        assert (min(page.evaluate(corner)) > 200) is bright, moment
    page.emulate_media(media="print", color_scheme="dark")
    expect(page.locator(".facet[open] li").first).to_be_visible()
    assert not page.locator("#buttons").is_visible(), "the legend is printed, and no controls"
    page.close()


def test_without_scripts_there_is_a_picture(site: Site, browser: Browser) -> None:
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(site.url)
    assert page.locator("noscript img").count() == 1 or page.locator("img[alt*='Map']").count() == 1
    page.goto(f"{site.url}/models/{META}")
    expect(page.locator("svg.lineage").first).to_be_visible()
    context.close()


def test_a_family_is_a_tree_with_its_numbers(site: Site, page: Page) -> None:
    page.goto(f"{site.url}/family?a={META}&b=c/laundered")
    one, two = (page.locator("section.family").nth(at) for at in range(2))
    for tree, root in ((one, META), (two, "c/laundered")):
        descendants = site.json(f"/models/{root}")["counts"]["descendants"]
        expect(tree.locator("h2")).to_have_text(f"{root} {descendants + 1} models")
    expect(two).to_contain_text(f"It comes from {META}")
    expect(one.locator("svg.icicle")).to_contain_text("laundered")
    heights = [tree.locator("svg.icicle rect").first.evaluate("each => each.getBBox().height") for tree in (one, two)]
    assert heights[0] > heights[1]
    one.locator("svg.icicle a", has_text="laundered").first.click()
    expect(page.locator("h1")).to_have_text("c/laundered")
    assert "<img src=x" not in site.get("/family?a=" + quote(HOSTILE))[2]


def test_a_model_says_where_it_comes_from_and_how_to_ask(site: Site, page: Page) -> None:
    page.goto(f"{site.url}/models/c/leaf")
    expect(page.locator("ol.path li")).to_have_count(3)
    expect(page.locator("ol.path li").nth(2)).to_contain_text(f"finetune of {META} llama3.1")
    expect(page.locator("details.claim summary").first).to_contain_text(
        "Its publisher states that it is a quantized copy of c/laundered"
    )
    expect(page.get_by_role("link", name="On the Hub")).to_have_attribute("href", "https://huggingface.co/c/leaf")
    page.locator("details.code summary").click()
    expect(page.locator("details.code pre").first).to_contain_text('"c/leaf"')
    with page.expect_download() as download:
        page.get_by_role("link", name="Notice", exact=True).click()
    assert "NOTICE for c/leaf" in Path(download.value.path()).read_text()
    page.get_by_role("link", name="On the map").click()
    expect(page.locator("#place h2")).to_have_text("c/leaf")
    page.goto(f"{site.url}/models/{META}")
    expect(page.locator("p.came").first).to_contain_text("30 quantized: q/quant-29 29, q/quant-28 28")


def test_tables_sort_and_audit_filters(site: Site, page: Page) -> None:
    page.goto(f"{site.url}/audit")
    verdicts = {row["verdict"]: row["models"] for row in site.json("/audit")["verdicts"]}
    expect(page.locator(".headline")).to_contain_text(f"{verdicts['violation']} of {sum(verdicts.values())} models")
    cell = page.locator(".matrix tr", has_text="llama3.1").locator("td.violation a").first
    number = cell.text_content()
    cell.click()
    expect(page.locator("#findings")).to_contain_text(f"{number} findings")
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
    found = list(csv.DictReader(io.StringIO(site.get("/download/audit.csv?verdict=violation")[2])))
    assert len(found) == rows["number"]
    assert f"'{FORMULA}" in {row["model"] for row in found}, "no spreadsheet computes it"
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
    assert "Did you mean" in text
    assert f'<a href="/models/{META}">' in text
    status, _, text = site.get("/models/nobody/%3Cb%3Equite-another")
    assert status == 404
    assert 'href="/search?q=%3Cb%3Equite-another"' in text
    assert "atlas-db query" not in text, "no command line for a browser"
    for path, code in {
        "/nothing": 404, "/audit?page=0": 400, "/models/" + "a" * 3000: 404,
        f"/models/{META}?open=" + ",".join(map(str, range(90))): 200, "/family?a=no/body": 404, "/author/nobody": 404, "/author/%3Cb%3E": 404, "/search?q=" + "a" * 600: 400,
        "/data/report.json": 404, "/data/names/..%2freport.json": 404, "/data/names/99999.js": 404, "/audit?format=xml": 400,
    }.items():  # fmt: skip
        status, headers, text = site.get(path)
        assert status == code, path
        assert "Traceback" not in text
        assert headers["X-Content-Type-Options"] == "nosniff"
    assert json.loads(site.get("/models/no/body?format=json")[2])["error"] == "Not found"
    assert site.get("/", host="evil.example")[0] == 400, "no other name leads here"


def test_a_selection_is_bounded_and_belongs_to_the_map_that_is_shown(site: Site) -> None:
    key = site.json("/")["key"]
    status, headers, table = _post(site, f"/download/models.parquet?counted={key}", (0).to_bytes(4, "little"))
    assert (status, headers["Content-Type"]) == (200, "application/vnd.apache.parquet")
    assert pq.read_table(io.BytesIO(table)).num_rows == 1
    for address, body in ((f"counted={key}", b""), (f"counted={key}", bytes(500_000)), ("counted=older", bytes(4))):
        assert _post(site, f"/download/models.parquet?{address}", body)[0] == 400
    assert site.get("/download/models.parquet?counted=")[0] == 405, "nothing is selected"


def _post(site: Site, path: str, body: bytes) -> tuple[int, Any, bytes]:
    request = urllib.request.Request(site.url + path, data=body, method="POST")
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            return answer.status, answer.headers, answer.read()
    except urllib.error.HTTPError as error:
        return error.code, error.headers, error.read()


def test_the_store_may_go_away_and_come_back(site: Site) -> None:
    run(site.home, "store", "stop")
    assert site.get("/")[0] == 200, "what was counted needs no store"
    answers = [site.get(f"/models/{META}")[0] for _ in range(3)]
    assert answers[-1] == 200
    assert set(answers) <= {200, 503}


def test_usage(shown_home: Path, tmp_path: Path) -> None:
    empty = f"local:{tmp_path / 'empty'}"
    assert "is empty" in run(shown_home, "dashboard", "--port", "0", "--store", empty, code=3).stderr
    run(shown_home, "store", "stop", "--store", empty)
    assert "no log-in" in run(shown_home, "dashboard", "--host", "0.0.0.0", code=2).stderr
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "thesis.txt").write_text("mine")
    assert "holds something else" in run(shown_home, "dashboard", "--export", str(tmp_path / "full"), code=2).stderr
    assert (tmp_path / "full" / "thesis.txt").read_text() == "mine"


def test_the_export_opens_from_a_disk(shown_home: Path, page: Page, tmp_path: Path) -> None:
    out = tmp_path / "site"
    for _ in range(2):
        run(shown_home, "dashboard", "--export", str(out), "--models", "40")
    page.goto((out / "index.html").as_uri())
    page.wait_for_selector(".map[data-drawn]")
    page.wait_for_selector(".map[data-whole]")
    page.fill("#q", META.lower())
    page.keyboard.press("Enter")
    expect(page.locator("#place h2")).to_have_text(META)
    page.wait_for_url("**/index.html#*model=meta-llama*")
    page.reload()
    expect(page.locator("#place h2")).to_have_text(META)
    owner = META.partition("/")[0]
    page.locator("#place").get_by_role("link", name=owner, exact=True).click()
    expect(page.locator("h1")).to_have_text(owner)
    page.get_by_role("link", name=META).first.click()
    expect(page.locator("h1")).to_have_text(META)
    page.get_by_role("link", name=f"More by {owner}").click()
    expect(page.locator("h1")).to_have_text(owner)
    page.get_by_role("link", name=META).first.click()
    page.get_by_role("link", name="c/laundered").first.click()
    expect(page.locator("article.finding").first).to_contain_text(META)
    for name in ("Families", "Ecosystem", "Audit", "Questions", "Quality", "Runs", "Map"):
        page.get_by_role("link", name=name, exact=True).click()
        page.wait_for_load_state("load")
        assert name in page.title()
        if name == "Ecosystem":
            expect(page.locator("[data-figure] .main-svg").first).to_be_visible()
    text = "".join(file.read_text() for file in out.rglob("*.html"))
    outside = set(re.findall(r'(?:src|href)="(?:/|(https?:))([^"]*)', text))
    assert {scheme for scheme, _ in outside} == {"https:"}, "nothing leads to a server"
    assert all(rest.startswith("//huggingface.co/") for _, rest in outside), (
        "nothing leads out of the folder but to the Hub"
    )


DESCRIBED = (
    "not_a_server_error", "status_code_conformance", "content_type_conformance", "response_schema_conformance",
    "response_headers_conformance", "unsupported_method",
)  # fmt: skip
"""Of its checks, those of what is answered. Others ask that keys of an address that nobody knows are refused."""
KNOWN_IDS = {
    "path.model": str(SITE_ROWS[0]["id"]),
    "path.author": str(SITE_ROWS[0]["id"]).partition("/")[0],
    "path.name": "top_parents",
}


@pytest.mark.slow
@pytest.mark.parametrize("known", [{}, KNOWN_IDS], ids=["any ids", "known ids"])
def test_answers_are_of_the_kinds_that_the_description_lists(site: Site, tmp_path: Path, known: dict[str, str]) -> None:
    lines = [f'"{name}" = "{value}"' for name, value in known.items()]
    (tmp_path / "schemathesis.toml").write_text("\n".join(["[parameters]", *lines]) if lines else "")
    command = [Path(sys.executable).with_name("schemathesis"), "run", f"{site.url}/openapi.json", "--no-color"]
    command += ["--seed", "1", "--max-examples", "3", "--checks", ",".join(DESCRIBED), "--phases", "coverage,fuzzing"]
    command += ["--request-timeout", "300"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=600, check=False)
    assert done.returncode == 0, done.stdout[:5000]
    generated, passed = map(int, re.findall(r"(\d+) generated, (\d+) passed", done.stdout)[0])
    assert generated == passed > 200
    selected, tested = re.findall(r"Selected: (\d+)/\d+\s+Tested: (\d+)", done.stdout)[0]
    assert selected == tested and int(tested) > 15
