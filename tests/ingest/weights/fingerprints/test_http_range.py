"""Weights behind HTTP: a small Hub on loopback that redirects to another host, throttles, and cuts short."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import gguf
import numpy as np
import pytest

from atlas_db.core.errors import HubError, WeightsError
from ingest.hub import api_listing
from ingest.weights.fingerprints.batch import find_models, fingerprint_all
from ingest.weights.fingerprints.fingerprint import compute_fingerprint
from ingest.weights.fingerprints.http_range import open_remote
from ingest.weights.fingerprints.parquet import read_fingerprints
from tests.support.families import print_of, root, write


class Server(ThreadingHTTPServer):
    """Either the Hub, which answers questions and redirects, or the store of files, which serves ranges."""

    def __init__(self, folder: Path, other: Server | None = None) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.folder, self.other = folder, other
        self.sent = 0
        self.tokens: list[str] = []
        self.mishaps: list[int] = []
        self.short = False

    @property
    def url(self) -> str:
        return (
            f"http://localhost:{self.server_address[1]}"
            if self.other is None
            else f"http://127.0.0.1:{self.server_address[1]}"
        )


class Handler(BaseHTTPRequestHandler):
    server: Server

    def log_message(self, *_: Any) -> None:
        """Stay silent."""

    def do_GET(self) -> None:
        hub, path = self.server, self.path.split("?")[0]
        hub.tokens.append(self.headers.get("authorization", ""))
        if hub.mishaps:
            return self.answer(hub.mishaps.pop(), b"later")
        if path.startswith("/api/models/"):
            folder = hub.folder / path.removeprefix("/api/models/")
            if not folder.is_dir():
                return self.answer(404, b"no such repository")
            files = [{"rfilename": f.name, "size": f.stat().st_size} for f in sorted(folder.iterdir())]
            info = {"sha": "c0ffee", "createdAt": "2024-05-01T00:00:00.000Z", "siblings": files}
            return self.answer(200, json.dumps(info).encode())
        if hub.other is not None:
            return self.answer(302, b"", {"Location": hub.other.url + path.replace("/resolve/c0ffee", "")})
        data = (hub.folder / path.lstrip("/")).read_bytes()
        span = self.headers.get("range")
        if span is None:
            return self.answer(200, data)
        start, stop = map(int, span.removeprefix("bytes=").split("-"))
        hub.sent += stop + 1 - start
        return self.answer(206, data[start : stop if hub.short else stop + 1])

    def answer(self, code: int, body: bytes, headers: dict[str, str] | None = None) -> None:
        self.send_response(code)
        for name, value in {"Content-Length": str(len(body)), **(headers or {})}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    write(tmp_path / "repos" / "own" / "m", root(1), "BF16", shards=3)
    store = Server(tmp_path / "repos")
    server = Server(tmp_path / "repos", store)
    for each in (store, server):
        threading.Thread(target=each.serve_forever, daemon=True).start()
    monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", server.url)
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    monkeypatch.setattr(api_listing.HubClient, "_back_off", lambda self, attempt: None)
    yield server
    for each in (store, server):
        each.shutdown()
        each.server_close()


def test_the_fingerprint_is_that_of_the_files(hub: Server, tmp_path: Path) -> None:
    hub.mishaps = [500, 503]
    out = tmp_path / "fp.parquet"
    (found,) = find_models([Path("own/m")])
    assert (found.id, found.revision, found.created_at) == ("own/m", "c0ffee", "2024-05-01T00:00:00.000Z")
    report = fingerprint_all([found], out, lambda *_: None)
    assert not report.failed
    (item,) = read_fingerprints([out])
    assert item.location == "hub:own/m@c0ffee"
    local = print_of(hub.folder / "own" / "m")
    assert item.weights_hash == local.weights_hash
    np.testing.assert_array_equal(item.sample.values, local.sample.values)
    assert report.read_bytes == hub.other.sent  # type: ignore[union-attr]
    again = fingerprint_all(find_models([Path("own/m")]), out, lambda *_: None)
    assert (again.made, again.kept) == (0, 1)


def test_the_token_goes_to_no_other_host(hub: Server) -> None:
    with open_remote("own/m", "c0ffee") as model:
        compute_fingerprint(model, "own/m")
    assert set(hub.tokens) == {"Bearer hf_secret"}
    assert set(hub.other.tokens) == {""}  # type: ignore[union-attr]


def test_what_the_hub_does_not_send_is_named(hub: Server, tmp_path: Path) -> None:
    assert hub.other is not None
    hub.other.short = True
    with pytest.raises(WeightsError, match="were asked for"):
        open_remote("own/m", "c0ffee")
    with pytest.raises(HubError, match="404"):
        find_models([Path("own/nothing")])
    (hub.folder / "own" / "none").mkdir()
    with pytest.raises(WeightsError, match="neither safetensors nor GGUF"):
        open_remote("own/none", "c0ffee")


@pytest.mark.parametrize("words", [0, pytest.param(100_000, marks=pytest.mark.slow)])
def test_a_remote_gguf_file_is_read_by_ranges(hub: Server, words: int) -> None:
    """A long vocabulary makes a header of more than the first piece that is fetched."""
    assert hub.other is not None
    folder = hub.folder / "own" / "gguf"
    folder.mkdir()
    rng = np.random.default_rng(0)
    writer = gguf.GGUFWriter(folder / "m.gguf", "llama")
    writer.add_head_count(4)
    if words:
        writer.add_token_list([f"word{number}" for number in range(words)])
    kind = gguf.GGMLQuantizationType.Q8_0
    for layer in range(4):
        value = rng.normal(size=(1024, 1024)).astype(np.float32)
        writer.add_tensor(f"blk.{layer}.attn_q.weight", gguf.quants.quantize(value, kind), raw_dtype=kind)
    for step in (writer.write_header_to_file, writer.write_kv_data_to_file, writer.write_tensors_to_file, writer.close):
        step()
    (folder / "small.gguf").write_bytes(b"GGUF")
    with open_remote("own/gguf", "c0ffee") as model:
        there = compute_fingerprint(model, "own/gguf")
        assert model.read_bytes == hub.other.sent
        assert words or model.read_bytes < model.size / 2
    (folder / "small.gguf").unlink()
    here = print_of(folder)
    assert there.weights_hash == here.weights_hash
    assert there.sample.names == ["layers.0.self_attn.q_proj.weight", *there.sample.names[1:]]
    np.testing.assert_array_equal(there.sample.values, here.sample.values)
    (folder / "m.gguf").write_bytes((folder / "m.gguf").read_bytes()[:2000])
    with pytest.raises(WeightsError, match="GGUF header"):
        open_remote("own/gguf", "c0ffee")
