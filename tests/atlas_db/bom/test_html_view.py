"""The page of a bill: whole, escaped, and nothing in it is loaded from elsewhere."""

from __future__ import annotations

from html.parser import HTMLParser
from pathlib import Path

from playwright.sync_api import Browser

from atlas_db.bom.collect import collect_contents
from atlas_db.bom.html_view import to_html
from tests.support.browsers import assert_readable
from tests.support.graphs import child
from tests.support.kept import kept_store
from tests.support.license_hub import META, ROWS


class _Page(HTMLParser):
    """Collects tags and cells of a page."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.cells: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag != "meta":
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] in ("td", "a", "code"):
            self.cells.append(data)


def test_the_page_shows_all_and_loads_nothing() -> None:
    rows = [child("a/leaf", f"finetune:{META}", tags=["license:<script>alert(1)</script>", "dataset:data/nc"]), *ROWS]
    text = to_html(collect_contents(kept_store(rows), "a/leaf"))
    page = _Page()
    page.feed(text)
    assert page.open == []
    assert {"a/leaf", META, "datasets/data/nc", "llama3"} <= set(page.cells)
    assert not {tag for tag, _ in page.tags} & {"script", "img", "link", "iframe"}
    assert "<script>" not in text
    links = [attrs["href"] for tag, attrs in page.tags if tag == "a"]
    assert any(str(each).startswith("https://www.llama.com/") for each in links), "the text of a licence is a link"


def test_a_browser_shows_and_prints_it(browser: Browser, tmp_path: Path) -> None:
    rows = [child("a/leaf", f"finetune:{META}", tags=["license:mit", "dataset:data/nc"], sha="a" * 40), *ROWS]
    (tmp_path / "bom.html").write_text(to_html(collect_contents(kept_store(rows), "a/leaf")))
    assert_readable(browser, tmp_path / "bom.html")
