"""A real browser, and what every page for readers must hold in it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, sync_playwright

FLAGS = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
]  # fmt: skip
LOOKS: tuple[tuple[int, Any], ...] = ((1200, "light"), (390, "light"), (390, "dark"))
"""Widths in pixels, and colours."""


@contextmanager
def launched(path: str) -> Iterator[Browser]:
    """Yield a browser that does not ask for anything by itself."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=FLAGS)
        yield browser
        browser.close()


def assert_readable(browser: Browser, file: Path) -> None:
    """Check a page of its own: it fits, nothing breaks inside a heading, WCAG AA holds, and it asks for nothing else."""
    for width, scheme in LOOKS:
        page = browser.new_page(viewport={"width": width, "height": 900}, color_scheme=scheme)
        seen: list[str] = []
        page.on("console", lambda message, seen=seen: seen.append(message.text))  # type: ignore[misc]
        page.on("request", lambda request, seen=seen: seen.append(request.url))  # type: ignore[misc]
        page.goto(file.as_uri())
        assert seen == [file.as_uri()]
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), (width, "it fits")
        heads = "[...document.querySelectorAll('th')].filter(head => head.scrollWidth > head.clientWidth).length"
        assert page.evaluate(heads) == 0, (width, "no heading of a column is cut")
        found = Axe().run(page, options={"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa"]})
        assert found.violations_count == 0, (width, scheme, found.generate_report())
        assert page.pdf(format="A4").startswith(b"%PDF-")
        page.close()
