"""Tests of `release/advisories.py`, with pip-audit itself, and a service on this machine."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from release import advisories

ADVISORY = {
    "id": "TEST-2026-1", "summary": "made up", "modified": "2026-01-01T00:00:00Z", "published": "2026-01-01T00:00:00Z",
    "affected": [{"package": {"name": "numpy", "ecosystem": "PyPI"},
                  "ranges": [{"type": "ECOSYSTEM", "events": [{"introduced": "0"}, {"fixed": "99.0"}]}]}],
}  # fmt: skip


class Service(BaseHTTPRequestHandler):
    """Knows one advisory, of the package that the server names."""

    def do_POST(self) -> None:
        asked: dict[str, Any] = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        hit = asked["package"]["name"] == getattr(self.server, "hit", "")
        body = json.dumps({"vulns": [ADVISORY]} if hit else {}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def service() -> Iterator[ThreadingHTTPServer]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Service) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()


@pytest.mark.slow
def test_a_known_vulnerability_is_named(service: ThreadingHTTPServer, capsys: pytest.CaptureFixture[str]) -> None:
    address = f"http://127.0.0.1:{service.server_port}/v1/query"
    assert advisories.main(["--service", address]) == 0
    assert ", 0 with known vulnerabilities" in capsys.readouterr().out
    service.hit = "numpy"  # type: ignore[attr-defined]
    assert advisories.main(["--service", address]) == advisories.FOUND
    assert "TEST-2026-1, fixed in 99.0" in capsys.readouterr().out


@pytest.mark.slow
def test_no_service_is_no_clean_answer(capsys: pytest.CaptureFixture[str]) -> None:
    assert advisories.main(["--service", "http://127.0.0.1:9/v1/query"]) == advisories.NOT_KNOWN
    assert "nothing is known" in capsys.readouterr().out
