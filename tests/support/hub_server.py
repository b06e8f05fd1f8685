"""A small Hub on loopback: it answers questions, redirects to a store of files, throttles, refuses, and cuts short."""

from __future__ import annotations

import json
import re
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from ingest.hub import api_listing

COMMIT, CREATED = "c0ffee", "2024-05-01T00:00:00.000Z"
PAGE = 100
_FILE = re.compile(r"/([^/]+/[^/]+)/resolve/[^/]+(/.+)")


class HubServer(ThreadingHTTPServer):
    """Either the Hub, or the store of files, which serves ranges.

    Attributes:
        folder: Repositories, as owner/name.
        other: The store of files; None of the store itself.
        commits: Commit of a repository, by id; `COMMIT` by default.
        dates: Date of a repository, by id; `CREATED` by default.
        renamed: New id of a repository, by its old one.
        records: Records of repositories, by the path of their address behind `/api/`, such as `models/owner/name`.
        gated: Ids of repositories whose files are refused.
        sent: Bytes sent in ranges.
        tokens: What each request bore as its token.
        mishaps: Status codes to answer with before anything else, the last one first.
        short: Whether ranges lack a byte.
        cuts: Bytes of an answer's body after which the line is cut, the last one first; below 0 before its headers.
        listed: Rows of the listing of models, `PAGE` of them a page.
    """

    def __init__(self, folder: Path, other: HubServer | None = None) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.folder, self.other = folder, other
        self.commits: dict[str, str] = {}
        self.dates: dict[str, str] = {}
        self.renamed: dict[str, str] = {}
        self.records: dict[str, dict[str, Any]] = {}
        self.gated: set[str] = set()
        self.sent = 0
        self.tokens: list[str] = []
        self.mishaps: list[int] = []
        self.short = False
        self.cuts: list[int] = []
        self.listed: list[dict[str, Any]] = []

    @property
    def url(self) -> str:
        host = "localhost" if self.other is None else "127.0.0.1"
        return f"http://{host}:{self.server_address[1]}"


class _Handler(BaseHTTPRequestHandler):
    server: HubServer
    # Connections stay open, as the Hub's do: a fingerprint takes hundreds of requests.
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def log_message(self, *_: Any) -> None:
        """Stay silent."""

    def do_GET(self) -> None:
        hub, path = self.server, self.path.split("?")[0]
        hub.tokens.append(self.headers.get("authorization", ""))
        if hub.mishaps:
            return self.answer(hub.mishaps.pop(), b"later")
        if path == "/api/models":
            return self.list_page(int(parse_qs(urlsplit(self.path).query).get("cursor", ["0"])[0]))
        if (record := hub.records.get(path.removeprefix("/api/"))) is not None:
            return self.answer(200, json.dumps(record).encode())
        if path.startswith("/api/datasets/"):
            return self.answer(404, b"no such repository")
        if path.startswith("/api/models/"):
            return self.describe(path.removeprefix("/api/models/"))
        if hub.other is not None:
            return self.redirect(path, hub.other)
        file = hub.folder / path.lstrip("/")
        span = self.headers.get("range")
        if span is None:
            return self.answer(200, file.read_bytes())
        start, stop = map(int, span.removeprefix("bytes=").split("-"))
        hub.sent += stop + 1 - start
        with file.open("rb") as opened:
            opened.seek(start)
            return self.answer(206, opened.read(stop - start + (not hub.short)))

    def list_page(self, start: int) -> None:
        hub, stop = self.server, start + PAGE
        link = {"Link": f'<{hub.url}/api/models?cursor={stop}>; rel="next"'} if stop < len(hub.listed) else {}
        return self.answer(200, json.dumps(hub.listed[start:stop]).encode(), link)

    def describe(self, id: str) -> None:
        hub = self.server
        if id in hub.renamed:
            return self.answer(307, b"", {"Location": f"/api/models/{hub.renamed[id]}?blobs=true"})
        folder = hub.folder / id
        if not folder.is_dir():
            return self.answer(404, b"no such repository")
        found = [file for file in sorted(folder.rglob("*")) if file.is_file()]
        files = [{"rfilename": file.relative_to(folder).as_posix(), "size": file.stat().st_size} for file in found]
        info = {"sha": hub.commits.get(id, COMMIT), "createdAt": hub.dates.get(id, CREATED), "siblings": files}
        return self.answer(200, json.dumps(info).encode())

    def redirect(self, path: str, store: HubServer) -> None:
        match = _FILE.fullmatch(path)
        assert match is not None, path
        id = self.server.renamed.get(match[1], match[1])
        if id in self.server.gated:
            return self.answer(403, b"access is restricted")
        return self.answer(302, b"", {"Location": f"{store.url}/{id}{match[2]}"})

    def answer(self, code: int, body: bytes, headers: dict[str, str] | None = None) -> None:
        self.send_response(code)
        for name, value in {"Content-Length": str(len(body)), **(headers or {})}.items():
            self.send_header(name, value)
        cut = self.server.cuts.pop() if self.server.cuts else len(body)
        if cut >= 0:
            self.end_headers()
            self.wfile.write(body[:cut])
        if cut < len(body):
            self.close_connection = True
            self.connection.shutdown(socket.SHUT_RDWR)


@contextmanager
def serving(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[HubServer]:
    """Serve repositories, with a token, and make them the Hub of this process."""
    store = HubServer(folder)
    server = HubServer(folder, store)
    for each in (store, server):
        threading.Thread(target=each.serve_forever, args=(0.01,), daemon=True).start()
    monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", server.url)
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    monkeypatch.setattr(api_listing.HubClient, "_back_off", lambda self, attempt: None)
    yield server
    for each in (store, server):
        each.shutdown()
        each.server_close()
