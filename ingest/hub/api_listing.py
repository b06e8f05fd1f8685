"""The live Hub, page by page, with a cursor of our own.

Every page is on disk before the next is asked for; a fetch that was killed goes on from its last cursor. Endpoint and
token are huggingface_hub's (HF_ENDPOINT, HF_TOKEN, `hf auth login`); the token goes to that endpoint only.
"""

from __future__ import annotations

import math
import random
import re
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urlsplit

import msgspec
import zstandard

from atlas_db.core.decoding import MalformedError, decode_json, read_json
from atlas_db.core.errors import HubError, UsageError
from atlas_db.core.files import printable, write_whole
from atlas_db.core.locks import exclusive_lock
from atlas_db.core.terms import SOFTWARE, Progress
from ingest.hub.snapshot import SNAPSHOT_FILE, read_snapshot_file

STATE_FILE = "fetch.state"
LOCK_FILE = "fetch.lock"
PAGE_ROWS = 1000
TIMEOUT_SECONDS = 60.0
RETRIES = 8
MAX_WAIT_SECONDS = 330.0
WINDOW_SECONDS = 300
FREE_QUOTA = 500
# 3,012,377 public models on 2026-08-22, about 3,200 new a day (the Hub's own blog); datasets passed one million.
KNOWN_ROWS = {"models": 3_012_377, "datasets": 1_000_000}
EXPAND = {
    "models": (
        "author", "cardData", "config", "createdAt", "disabled", "downloads", "gated", "gguf", "lastModified",
        "library_name", "likes", "pipeline_tag", "private", "safetensors", "sha", "siblings", "tags",
    ),
    "datasets": (
        "author", "cardData", "citation", "createdAt", "disabled", "downloads", "gated", "lastModified", "likes",
        "private", "sha", "tags",
    ),
}  # fmt: skip
"""What a listing is asked for: all that a load reads.

The Hub refuses `baseModels` in a listing and answers it for single models only (huggingface_hub, pull request 3182).
The tags of a listing state the same. The files of datasets are not read.
"""
_NEXT = re.compile(r'<([^<>]+)>\s*;\s*rel="?next"?')
_REMAINING = re.compile(r"r=(\d+)\s*;\s*t=(\d+)")
_QUOTA = re.compile(r"q=(\d+)")

Sleep = Callable[[float], None]


class FetchState(msgspec.Struct):
    """State of a fetch, in the folder of its pages; replaced in one step after each page.

    Attributes:
        kind: models or datasets.
        since: Only repositories changed on or after this date; empty for all.
        next_url: Address of the next page; empty when there is none.
        pages: Pages on disk.
        rows: Rows in them.
        newest: Newest date so far; it becomes the date of the snapshot.
        complete: True when the last page is on disk.
    """

    kind: str
    since: str
    next_url: str
    pages: int = 0
    rows: int = 0
    newest: str = ""
    complete: bool = False


@dataclass(frozen=True, slots=True)
class Preview:
    """Expected cost of a fetch.

    Attributes:
        rows: Expected rows: the limit of the call, or an estimate from the published size of the Hub.
        calls: Calls to the listing.
        quota: Calls allowed per window by the Hub's header, else the smallest published quota.
        windows: Five-minute windows these calls fill.
    """

    rows: int
    calls: int
    quota: int
    windows: int


def endpoint() -> str:
    """Return the Hub's address, as huggingface_hub sees it."""
    from huggingface_hub import constants

    return constants.ENDPOINT.rstrip("/")


def preview(kind: str, max_rows: int = 0) -> Preview:
    """Return the expected calls and windows of a fetch, with the quota from one call to the Hub.

    Raises:
        HubError: The Hub does not answer.
    """
    response = HubClient(lambda _: None).get(f"{endpoint()}/api/{kind}?limit=1")
    match = _QUOTA.search(response.headers.get("ratelimit-policy", ""))
    quota = int(match.group(1)) if match else FREE_QUOTA
    rows = max_rows or KNOWN_ROWS[kind]
    calls = math.ceil(rows / PAGE_ROWS)
    return Preview(rows, calls, quota, math.ceil(calls / quota))


def since_date(text: str) -> str:
    """Return the date of `--since`: a date, or the folder of an earlier fetch.

    Raises:
        UsageError: The text is neither.
    """
    if not text or re.fullmatch(r"\d{4}-\d\d-\d\d", text):
        return text
    if date := read_snapshot_file(Path(text)).as_of:
        return date
    raise UsageError(
        f"--since {text!r} is neither a date nor the folder of a finished fetch", hint="Write it as 2024-07-01"
    )


def fetch(
    folder: Path,
    kind: str = "models",
    *,
    since: str = "",
    max_rows: int = 0,
    sleep: Sleep = time.sleep,
    progress: Progress = lambda *_: None,
) -> FetchState:
    """Fetch a listing into a folder, from where an earlier call stopped.

    Args:
        folder: Where pages (JSON lines, zstandard) and state go.
        kind: models or datasets.
        since: Only repositories changed on or after this date.
        max_rows: Stop after so many rows; 0 for all.
        sleep: Waits so many seconds.
        progress: Told how many rows there are.

    Returns:
        The state at the end.

    Raises:
        HubError: The Hub refuses, or keeps breaking off; run again to go on.
        UsageError: The folder holds a fetch of another kind.
        StoreLockedError: Another process fetches into this folder.
    """
    (folder / "pages").mkdir(parents=True, exist_ok=True)
    with exclusive_lock(folder / LOCK_FILE, f"another process fetches into {printable(folder)}"):
        return _fetch(folder, kind, since, max_rows, sleep, progress)


def _fetch(folder: Path, kind: str, since: str, max_rows: int, sleep: Sleep, progress: Progress) -> FetchState:
    state = _read_state(folder) or FetchState(kind, since, _first_url(kind, since))
    if (state.kind, state.since) != (kind, since):
        raise UsageError(
            f"{folder} holds a fetch of {state.kind}{f' since {state.since}' if state.since else ''}",
            hint="Fetch into another folder",
        )
    client = HubClient(sleep)
    while not state.complete:
        response, rows = client.page(state.next_url)
        kept = [row for row in rows if not since or _changed_at(row) >= since]
        _write_page(folder / "pages" / f"{state.pages + 1:06d}.jsonl.zst", kept)
        link = _NEXT.search(response.headers.get("link", ""))
        newest = max((_changed_at(row) for row in kept), default="")
        ended = link is None or len(kept) < len(rows) or (max_rows and state.rows + len(kept) >= max_rows)
        state = msgspec.structs.replace(
            state,
            next_url=_same_host(link.group(1)) if link and not ended else "",
            pages=state.pages + 1,
            rows=state.rows + len(kept),
            newest=max(state.newest, newest),
            complete=bool(ended),
        )
        if state.complete:
            stated = f'as_of = "{state.newest[:10]}"\nkind = "{kind.removesuffix("s")}"\nrows = {state.rows}\n'
            write_whole(folder / SNAPSHOT_FILE, stated.encode())
        write_whole(folder / STATE_FILE, msgspec.json.encode(state))
        progress("rows", state.rows, max_rows)
        client.pace(response.headers, last=state.complete)
    return state


def _first_url(kind: str, since: str) -> str:
    sort = "lastModified" if since else "createdAt"
    query = [("limit", str(PAGE_ROWS)), ("sort", sort), ("direction", "-1")]
    query += [("expand[]", name) for name in EXPAND[kind]]
    return f"{endpoint()}/api/{kind}?{urlencode(query)}"


def _changed_at(row: Mapping[str, Any]) -> str:
    return str(row.get("lastModified") or row.get("createdAt") or "")


def _same_host(url: str) -> str:
    if urlsplit(url)[:2] != urlsplit(endpoint())[:2]:
        raise HubError(
            f"the Hub names another host for the next page ({urlsplit(url).netloc})", hint="Check HF_ENDPOINT"
        )
    return url


def _read_state(folder: Path) -> FetchState | None:
    try:
        return read_json(folder / STATE_FILE, FetchState)
    except FileNotFoundError:
        return None
    except MalformedError as error:
        raise HubError(f"{folder / STATE_FILE} is damaged", hint="Fetch into another folder") from error


def _write_page(file: Path, rows: list[dict[str, Any]]) -> None:
    body = b"".join(msgspec.json.encode(row) + b"\n" for row in rows)
    write_whole(file, zstandard.ZstdCompressor().compress(body))


class HubClient:
    """HTTP client of the Hub: obeys its rate limits and retries after transient failures."""

    def __init__(self, sleep: Sleep) -> None:
        self._sleep = sleep

    def page(self, url: str) -> tuple[Any, list[dict[str, Any]]]:
        """Return the response and the rows of a page; a truncated page is requested again."""
        for attempt in range(RETRIES):
            response = self.get(url)
            with suppress(ValueError):
                rows, _ = decode_json(response.content)
                if isinstance(rows, list) and all(isinstance(row, dict) for row in rows):
                    return response, rows
            self._back_off(attempt)
        raise HubError(
            "the Hub's pages are not JSON", hint="Check HF_ENDPOINT, then run the same command again: it goes on"
        )

    def get(self, url: str, part: str = "") -> Any:  # noqa: ANN401
        """Return the response to one request, with retries.

        Args:
            url: Address. The token is sent to this host only, never to a redirect's.
            part: Requested range of bytes, in HTTP's notation; all where empty.

        Raises:
            HubError: The Hub refuses, or keeps failing.
        """
        import httpx2
        from huggingface_hub import get_session, get_token

        reason, token = "", get_token()
        headers = {"user-agent": SOFTWARE} | ({"authorization": f"Bearer {token}"} if token else {})
        headers |= {"range": f"bytes={part}"} if part else {}
        for attempt in range(RETRIES):
            try:
                response = get_session().get(url, headers=headers, timeout=TIMEOUT_SECONDS, follow_redirects=True)
            except (httpx2.TransportError, httpx2.DecodingError) as error:
                reason = f"{type(error).__name__}: {error}"
                self._back_off(attempt)
                continue
            if response.status_code == (206 if part else 200):
                return response
            reason = f"HTTP {response.status_code}"
            if response.status_code == 429:
                self._sleep(_wait_seconds(response.headers))
            elif response.status_code >= 500:
                self._back_off(attempt)
            else:
                raise HubError(
                    f"the Hub answers {reason}: {response.text[:300]}",
                    hint="Check HF_ENDPOINT and HF_TOKEN",
                    status=response.status_code,
                )
        raise HubError(
            f"the Hub keeps failing ({reason})", hint="Run the same command again later: it goes on where it stopped"
        )

    def pace(self, headers: Mapping[str, str], *, last: bool) -> None:
        """Wait for the next window where the quota of this one is used up."""
        match = _REMAINING.search(headers.get("ratelimit", ""))
        if match and int(match.group(1)) == 0 and not last:
            self._sleep(min(MAX_WAIT_SECONDS, float(match.group(2))))

    def _back_off(self, attempt: int) -> None:
        self._sleep(min(60.0, 2.0**attempt) * (0.5 + random.random() / 2))


def _wait_seconds(headers: Mapping[str, str]) -> float:
    if match := _REMAINING.search(headers.get("ratelimit", "")):
        return min(MAX_WAIT_SECONDS, float(match.group(2)) or 1.0)
    text = headers.get("retry-after", "")
    return min(MAX_WAIT_SECONDS, float(text)) if text.isdecimal() else WINDOW_SECONDS / 10
