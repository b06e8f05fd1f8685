"""What each field of a fetched listing costs: bytes a record in the answer, gzipped, and on disk.

    python -m benchmarks.fetch_cost model-info.jsonl.zst [MORE …]

A server on this machine replays recorded answers for single models as a listing, with the fields that are asked for.
`fetch` itself asks it: for all fields, and for all but one. The difference is what that field costs. The live Hub is
not asked, and its average record may be larger or smaller.
"""

from __future__ import annotations

import argparse
import gzip
import json
import tempfile
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import huggingface_hub.constants

from ingest.hub import api_listing
from ingest.hub.snapshot import SourceFile, read_records

ALWAYS = ("_id", "id", "modelId")


class Replay(ThreadingHTTPServer):
    """A listing of recorded answers, which counts the bytes that it sends."""

    def __init__(self, rows: list[dict[str, Any]]) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.rows = rows
        self.plain = self.packed = 0


class _Handler(BaseHTTPRequestHandler):
    server: Replay

    def log_message(self, *_: object) -> None:
        """Stay silent."""

    def do_GET(self) -> None:
        query = parse_qs(urlsplit(self.path).query)
        start, names = int(query.get("cursor", ["0"])[0]), {*ALWAYS, *query["expand[]"]}
        page = self.server.rows[start : start + api_listing.PAGE_ROWS]
        body = json.dumps([{name: row[name] for name in row if name in names} for row in page]).encode()
        self.server.plain += len(body)
        self.server.packed += len(gzip.compress(body))
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        if start + len(page) < len(self.server.rows):
            words = "&".join(f"expand[]={name}" for name in query["expand[]"])
            host, port = self.server.server_address[:2]
            address = f"http://{host!s}:{port}/api/models?cursor={start + len(page)}&{words}"
            self.send_header("Link", f'<{address}>; rel="next"')
        self.end_headers()
        self.wfile.write(body)


def cost(server: Replay, fields: tuple[str, ...]) -> tuple[float, float, float]:
    """Fetch with these fields; return bytes a record: in the answer, gzipped, on disk."""
    server.plain = server.packed = 0
    api_listing.EXPAND["models"] = fields
    with tempfile.TemporaryDirectory() as folder:
        state = api_listing.fetch(Path(folder))
        disk = sum(file.stat().st_size for file in Path(folder).rglob("*.zst"))
    return server.plain / state.rows, server.packed / state.rows, disk / state.rows


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("paths", nargs="+", type=Path)
    given = parser.parse_args()
    rows = [json.loads(raw.text) for path in given.paths for raw in read_records(SourceFile(path, path.name))]
    rows = [row for row in rows if "lastModified" in row]
    every = api_listing.EXPAND["models"]
    with Replay(rows) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        huggingface_hub.constants.ENDPOINT = f"http://127.0.0.1:{server.server_address[1]}"
        whole = cost(server, every)
        print(f"{len(rows):,} records\nfield            answer    gzip    disk   in records")
        print(f"{'all':<14}" + "".join(f"{value:8.0f}" for value in whole))
        for name in sorted(every):
            rest = cost(server, tuple(other for other in every if other != name))
            share = sum(row.get(name) is not None for row in rows) / len(rows)
            costs = "".join(f"{a - b:8.0f}" for a, b in zip(whole, rest, strict=True))
            print(f"{name:<14}{costs}   {share:8.0%}")
        server.shutdown()
    huggingface_hub.close_session()


if __name__ == "__main__":
    main()
