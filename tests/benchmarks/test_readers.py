"""Readers of the dashboard: they ask for every kind of page, and reload a map that was counted anew."""

from __future__ import annotations

import http.client
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import islice

import pytest

from benchmarks.readers import OF_MODELS, PAGES, SELECTION, addresses, select


def test_every_page_is_asked_for_and_authors_are_owners() -> None:
    asked = dict(islice(addresses(["a b/c", "gpt2"], ["d/e"], 1), 2000))
    assert asked.keys() == {*PAGES, *OF_MODELS, "/datasets/{0}"}
    assert asked["/author/{author}"] == "/author/a%20b"
    assert {"/download/audit.sarif", SELECTION, "/author/{author}"} <= asked.keys()


class Counted(BaseHTTPRequestHandler):
    """A map that is counted anew after its page was read for the first time."""

    protocol_version = "HTTP/1.1"
    read, bodies = 0, []  # type: ignore[var-annotated]

    def do_GET(self) -> None:
        Counted.read += 1
        self.answer(200, json.dumps({"key": f"of {Counted.read}", "map": {"models": 3}}).encode())

    def do_POST(self) -> None:
        Counted.bodies.append(self.rfile.read(int(self.headers["Content-Length"])))
        self.answer(200 if self.path == f"{SELECTION}?counted=of%202" else 400, b"")

    def answer(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def connection() -> Iterator[http.client.HTTPConnection]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Counted) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        opened = http.client.HTTPConnection("127.0.0.1", server.server_port, timeout=20)
        yield opened
        opened.close()
        server.shutdown()


def test_a_selection_is_of_the_newest_map(connection: http.client.HTTPConnection) -> None:
    status, seconds = select(connection)
    assert status == 200 and seconds > 0
    assert Counted.bodies == [b"".join(n.to_bytes(4, "little") for n in range(3))] * 2
