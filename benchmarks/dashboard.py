"""How fast pages of the dashboard answer, and how fast Chromium has drawn the map.

Run: python -m benchmarks.dashboard --store local:DIR (a store that was loaded; audited, for the audit page)
"""

from __future__ import annotations

import argparse
import re
import shutil
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from statistics import median

PATHS = ("/", "/family", "/questions", "/ecosystem", "/audit", "/quality", "/runs", "/search?q=llama")
FLAGS = ["--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking"]


def first_byte(address: str) -> float:
    """Return the seconds until the first byte of an answer."""
    start = time.perf_counter()
    with urllib.request.urlopen(address) as answer:
        answer.read(1)
        return time.perf_counter() - start


def draw(address: str) -> float | None:
    """Return the seconds from navigation to the drawn map, None where there is no Chromium."""
    from playwright.sync_api import sync_playwright

    path = shutil.which("chromium") or shutil.which("google-chrome")
    if path is None:
        return None
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=FLAGS)
        page = browser.new_page(viewport={"width": 1280, "height": 900})
        page.goto(address)
        page.wait_for_selector(".map[data-drawn]")
        drawn = float(page.evaluate("document.querySelector('.map').dataset.drawn")) / 1000
        browser.close()
        return drawn


@contextmanager
def served_dashboard(store: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """Run a dashboard; yield its process and its address.

    Raises:
        SystemExit: It did not start.
    """
    command = [sys.executable, "-m", "atlas_db", "dashboard", "--port", "0", "--store", store]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            match = re.match(r"(http://\S+?)/ ", process.stdout.readline() if process.stdout else "")
            if match is None:
                raise SystemExit("the dashboard did not start")
            yield process, match[1]
        finally:
            process.terminate()


def main() -> None:
    """Start a dashboard, request its pages, print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--store", required=True)
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--model", action="append", default=[], help="Model pages to request, too.")
    options = parser.parse_args()
    start = time.perf_counter()
    with served_dashboard(options.store) as (_, base):
        print(f"ready after {time.perf_counter() - start:.1f} s")
        for path in (*PATHS, *(f"/models/{name}" for name in options.model)):
            cold, *warm = [first_byte(base + path) for _ in range(options.rounds + 1)]
            latency = f"cold {1000 * cold:7.1f} ms, p50 {1000 * median(warm):7.1f}, max {1000 * max(warm):7.1f}"
            print(f"{path:<45} {latency}")
        for _ in range(3):
            print(f"map drawn after {draw(base) or float('nan'):.2f} s")


if __name__ == "__main__":
    main()
