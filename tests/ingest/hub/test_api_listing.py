"""The listing client against a real HTTP server that pages, throttles, times out and breaks off."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import zstandard

from atlas_db.core.errors import HubError, UsageError
from atlas_db.core.terms import RecordKind
from ingest.hub import api_listing

ROWS = [
    {"_id": f"{n:04d}", "id": f"own/m{n}", "modelId": f"own/m{n}", "tags": ["license:mit"], "downloads": n, "likes": 0,
     "createdAt": f"2024-01-{n % 28 + 1:02d}T00:00:00.000Z", "lastModified": f"2024-{12 - n // 100:02d}-01T00:00:00.000Z"}
    for n in range(1000)
]  # fmt: skip
PAGE = 100


class Hub(ThreadingHTTPServer):
    """A small Hub. `plan` maps cursors to lists of mishaps, taken one a call."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.plan: dict[int, list[str]] = {}
        self.calls: list[int] = []
        self.tokens: set[str] = set()
        self.asked: set[tuple[str, ...]] = set()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


class Handler(BaseHTTPRequestHandler):
    server: Hub

    def log_message(self, *_: Any) -> None:
        """Stay silent."""

    def do_GET(self) -> None:
        hub = self.server
        query = parse_qs(urlsplit(self.path).query)
        start = int(query.get("cursor", ["0"])[0])
        hub.calls.append(start)
        hub.asked.add((urlsplit(self.path).path, *sorted(query.get("expand[]", ()))))
        hub.tokens.add(self.headers.get("authorization", ""))
        mishap = hub.plan.get(start, [])[:1]
        if mishap:
            hub.plan[start].pop(0)
        match mishap:
            case ["429"]:
                return self.answer(429, b"slow down", {"RateLimit": '"api";r=0;t=7'})
            case ["500"] | ["504"]:
                return self.answer(int(mishap[0]), b"sorry")
            case ["html"]:
                return self.answer(200, b"<html>login</html>")
            case ["surrogate"]:
                return self.answer(200, b'[{"id": "own/odd", "library_name": "\\ud800", "likes": 1}]')
            case ["401"]:
                return self.answer(401, b"no")
            case ["stall"]:
                time.sleep(1.5)
                return None
        body = json.dumps(ROWS[start : start + PAGE]).encode()
        headers = {"RateLimit-Policy": '"fixed window";"api";q=1000;w=300', "RateLimit": '"api";r=5;t=100'}
        if mishap == ["empty-window"]:
            headers["RateLimit"] = '"api";r=0;t=3'
        if start + PAGE < len(ROWS):
            host = "http://evil.example" if mishap == ["elsewhere"] else hub.url
            headers["Link"] = f'<{host}/api/models?cursor={start + PAGE}>; rel="next"'
        if mishap == ["break"]:
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body[: len(body) // 2])
            return None
        return self.answer(200, body, headers)

    def answer(self, code: int, body: bytes, headers: dict[str, str] | None = None) -> None:
        self.send_response(code)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    import huggingface_hub.constants

    with Hub() as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        monkeypatch.setattr(huggingface_hub.constants, "ENDPOINT", server.url)
        monkeypatch.setattr(api_listing, "TIMEOUT_SECONDS", 0.7)
        yield server
        server.shutdown()
        huggingface_hub.close_session()


def rows_in(folder: Path) -> list[str]:
    lines = []
    for page in sorted((folder / "pages").glob("*.zst")):
        lines += zstandard.decompress(page.read_bytes()).splitlines()
    return [json.loads(line)["id"] for line in lines]


@pytest.mark.slow
def test_pages_through_every_mishap(hub: Hub, tmp_path: Path) -> None:
    hub.plan = {100: ["429"], 200: ["500", "504"], 300: ["break"], 400: ["stall"], 500: ["html"], 600: ["empty-window"]}
    waits: list[float] = []
    state = api_listing.fetch(tmp_path, sleep=waits.append)
    assert state.complete
    assert rows_in(tmp_path) == [row["id"] for row in ROWS]
    assert 7.0 in waits
    assert 3.0 in waits
    assert (tmp_path / "snapshot.toml").read_text().startswith('as_of = "2024-12-01"')


def test_a_finished_page_is_never_fetched_again(hub: Hub, tmp_path: Path) -> None:
    hub.plan = {500: ["500"] * 8}
    with pytest.raises(HubError, match="run the same command again|Run the same command again"):
        api_listing.fetch(tmp_path, sleep=lambda _: None)
    assert len(rows_in(tmp_path)) == 500
    assert not (tmp_path / "snapshot.toml").exists()
    hub.calls.clear()
    api_listing.fetch(tmp_path, sleep=lambda _: None)
    assert hub.calls == [500, 600, 700, 800, 900]
    assert rows_in(tmp_path) == [row["id"] for row in ROWS]
    hub.calls.clear()
    api_listing.fetch(tmp_path, sleep=lambda _: None)
    assert hub.calls == []


@pytest.mark.slow
def test_kill_9_between_pages(hub: Hub, tmp_path: Path) -> None:
    environ = {**os.environ, "HF_ENDPOINT": hub.url, "HF_TOKEN": "hf_test_token"}
    command = [sys.executable, "-m", "atlas_db", "fetch", str(tmp_path / "out"), "--format", "json"]
    hub.plan = {n * 100: ["429"] for n in range(3, 4)}
    process = subprocess.Popen(command, env=environ, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    deadline = time.monotonic() + 20
    while not (tmp_path / "out" / api_listing.STATE_FILE).exists() and time.monotonic() < deadline:
        time.sleep(0.02)
    process.kill()
    process.communicate()
    hub.plan = {}
    done = subprocess.run(command, env=environ, capture_output=True, text=True, check=True)
    assert json.loads(done.stdout)["rows"] == len(ROWS)
    assert rows_in(tmp_path / "out") == [row["id"] for row in ROWS]
    assert hub.tokens == {"Bearer hf_test_token"}
    assert "hf_test_token" not in (tmp_path / "out" / api_listing.STATE_FILE).read_text()


def test_only_what_changed_since(hub: Hub, tmp_path: Path) -> None:
    state = api_listing.fetch(tmp_path / "new", since="2024-10-01")
    assert state.rows == 300
    assert max(hub.calls) == 300
    assert api_listing.since_date(str(tmp_path / "new")) == "2024-12-01"
    with pytest.raises(UsageError, match="another folder"):
        api_listing.fetch(tmp_path / "new", since="2024-11-01")


def test_the_token_goes_to_no_other_host(hub: Hub, tmp_path: Path) -> None:
    hub.plan = {0: ["elsewhere"]}
    with pytest.raises(HubError, match="another host"):
        api_listing.fetch(tmp_path, sleep=lambda _: None)


def test_refusals_are_final(hub: Hub, tmp_path: Path) -> None:
    hub.plan = {0: ["401"]}
    with pytest.raises(HubError, match="401.*HF_TOKEN"):
        api_listing.fetch(tmp_path, sleep=lambda _: None)
    assert hub.calls == [0]


def test_preview_counts_calls_and_windows(hub: Hub) -> None:
    found = api_listing.preview("models", 2_500_000)
    assert (found.calls, found.quota, found.windows) == (2500, 1000, 3)


def test_a_fetched_folder_loads_as_one_snapshot(hub: Hub, tmp_path: Path) -> None:
    from ingest.hub.snapshot import find_inputs

    api_listing.fetch(tmp_path / "out", max_rows=250)
    files = find_inputs([str(tmp_path / "out")], tmp_path)
    assert len(files) == 3
    assert {file.as_of for file in files} == {"2024-12-01"}


def test_a_listing_is_asked_for_all_that_a_load_reads(hub: Hub, tmp_path: Path) -> None:
    """And for nothing that huggingface_hub does not document for listings: the Hub refuses some of its words there."""
    import inspect
    import re

    from huggingface_hub import HfApi

    from ingest.hub.hub_row import Row

    for kind, theirs in (("models", HfApi.list_models), ("datasets", HfApi.list_datasets)):
        api_listing.fetch(tmp_path / kind, kind, max_rows=1)
        asked = next(set(words) for path, *words in hub.asked if path == f"/api/{kind}")
        lists = re.findall(r"Possible values are (.*)", inspect.getdoc(theirs) or "")
        (documented,) = [set(re.findall(r'"([\w-]+)"', text)) for text in lists if "cardData" in text]
        assert asked <= documented, kind
        if kind == "models":
            assert documented & set(Row.__struct_fields__) <= asked


def test_a_lone_surrogate_costs_no_page(hub: Hub, tmp_path: Path) -> None:
    hub.plan = {0: ["surrogate"]}
    state = api_listing.fetch(tmp_path, sleep=lambda _: pytest.fail("no page is asked for again"))
    assert (state.rows, state.complete) == (1, True)
    assert rows_in(tmp_path) == ["own/odd"]


def test_a_fetched_listing_of_datasets_loads_as_datasets(hub: Hub, tmp_path: Path) -> None:
    from ingest.hub.snapshot import find_inputs

    api_listing.fetch(tmp_path / "out", "datasets", max_rows=10)
    assert {file.kind for file in find_inputs([str(tmp_path / "out")], tmp_path)} == {RecordKind.DATASET}
