"""Answers that took long are kept for a while, and readers who want the same page at once get one answer."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeAlias

from starlette.types import ASGIApp, Message, Receive, Scope, Send

MIN_SECONDS = 0.1
"""Answers that were made faster are made anew each time."""
MAX_BYTES = 128 * 2**20
"""Bytes of all kept answers."""
MAX_SHARE = 4
"""No kept answer takes more than this fraction of all bytes, as a denominator."""
_NEVER = ("/static/", "/data/")
"""Files: the server streams them from disk."""

_Key: TypeAlias = tuple[str, bytes, str, str]


@dataclass
class _Answer:
    """A whole answer.

    Attributes:
        start: Status and headers.
        body: The body.
        made: When it was complete, in seconds of the monotonic clock.
    """

    start: Message = field(default_factory=dict)
    body: bytes = b""
    made: float = 0.0


class KeptAnswers:
    """Middleware that gives a page to all readers who want it while it is made, and for a while after.

    A kept answer has the header `Age` (RFC 9111, clause 5.1). Files and requests other than GET pass by.

    Args:
        app: The web app.
        version: Returns the name of the statistics that pages show; another name makes all kept answers void.
        seconds: Seconds for which an answer is kept.
    """

    def __init__(self, app: ASGIApp, version: Callable[[], str], seconds: float) -> None:
        self._app = app
        self._version = version
        self._seconds = seconds
        self._kept: dict[_Key, _Answer] = {}
        self._size = 0
        self._running: dict[_Key, asyncio.Task[_Answer]] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request from what is kept, or have it answered."""
        if scope["type"] != "http" or scope["method"] != "GET" or scope["path"].startswith(_NEVER):
            await self._app(scope, receive, send)
            return
        key = self._key(scope)
        if (kept := self._find(key)) is not None:
            await _send(kept, send, age=int(time.monotonic() - kept.made))
            return
        if (task := self._running.get(key)) is None:
            task = self._running[key] = asyncio.create_task(self._make(key, scope))
        # A reader who leaves ends its own request, not the page that others wait for.
        await _send(await asyncio.shield(task), send)

    def _key(self, scope: Scope) -> _Key:
        # The site that led here decides whether a question runs at once.
        site = next((value for name, value in scope["headers"] if name == b"sec-fetch-site"), b"")
        return scope["path"], scope["query_string"], site.decode("latin-1"), self._version()

    async def _make(self, key: _Key, scope: Scope) -> _Answer:
        answer = _Answer()
        parts: list[bytes] = []

        async def collect(message: Message) -> None:
            if message["type"] == "http.response.start":
                answer.start = message
            elif message["type"] == "http.response.body":
                parts.append(message.get("body", b""))

        began = time.monotonic()
        try:
            await self._app(scope, _Receive(), collect)
        finally:
            del self._running[key]
        answer.body, answer.made = b"".join(parts), time.monotonic()
        if answer.start["status"] == 200 and answer.made - began >= MIN_SECONDS:
            self._keep(key, answer)
        return answer

    def _find(self, key: _Key) -> _Answer | None:
        kept = self._kept.get(key)
        if kept is not None and time.monotonic() - kept.made >= self._seconds:
            self._drop(key)
            return None
        return kept

    def _keep(self, key: _Key, answer: _Answer) -> None:
        """Keep an answer; the oldest make room for it."""
        if len(answer.body) * MAX_SHARE > MAX_BYTES:
            return
        self._kept[key] = answer
        self._size += len(answer.body)
        while self._size > MAX_BYTES:
            self._drop(next(iter(self._kept)))

    def _drop(self, key: _Key) -> None:
        self._size -= len(self._kept.pop(key).body)


class _Receive:
    """What a request without a body receives: its end, and then nothing, since the page outlives its first reader."""

    def __init__(self) -> None:
        self._ended = False

    async def __call__(self) -> Message:
        if self._ended:
            await asyncio.Event().wait()
        self._ended = True
        return {"type": "http.request", "body": b"", "more_body": False}


async def _send(answer: _Answer, send: Send, age: int | None = None) -> None:
    headers = list(answer.start["headers"]) + ([] if age is None else [(b"age", str(age).encode())])
    await send({**answer.start, "headers": headers})
    await send({"type": "http.response.body", "body": answer.body})
