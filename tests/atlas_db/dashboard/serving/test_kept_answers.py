"""Readers who want one page at once get one answer; what took long is kept; the rest is made anew."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable
from typing import TypeVar

import httpx2
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from atlas_db.dashboard.serving import kept_answers
from atlas_db.dashboard.serving.kept_answers import KeptAnswers

T = TypeVar("T")
SLOW = kept_answers.MIN_SECONDS * 1.2


class Site:
    """An app that counts what it answers, behind the middleware.

    Attributes:
        made: Answers by path.
        version: Name of its statistics.
    """

    def __init__(self, seconds: float = 60.0) -> None:
        self.made: Counter[str] = Counter()
        self.version = "1"
        self.app = Starlette(routes=[Route("/{path:path}", self._answer, methods=["GET", "POST"])])
        self.app.add_middleware(KeptAnswers, version=lambda: self.version, seconds=seconds)

    async def _answer(self, request: Request) -> Response:
        path = request.url.path
        self.made[path] += 1
        number = self.made[path]
        if "slow" in path:
            await asyncio.sleep(SLOW)
        if "broken" in path:
            raise ValueError("broken")
        size = int(request.query_params.get("size", 0))
        return Response(f"{path} {number}".encode().ljust(size), 404 if "lost" in path else 200)

    def run(self, work: Callable[[httpx2.AsyncClient], Awaitable[T]]) -> T:
        """Run work with a client of the site."""

        async def inside() -> T:
            transport = httpx2.ASGITransport(app=self.app, raise_app_exceptions=False)
            async with httpx2.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client:
                return await work(client)

        return asyncio.run(inside())


async def _twice(client: httpx2.AsyncClient, address: str) -> list[httpx2.Response]:
    return [await client.get(address), await client.get(address)]


def test_many_readers_at_once_get_one_answer() -> None:
    site = Site()

    async def crowd(client: httpx2.AsyncClient) -> list[httpx2.Response]:
        return await asyncio.gather(*(client.get("/slow") for _ in range(30)), client.get("/slow?q=1"))

    answers = site.run(crowd)
    assert site.made == {"/slow": 2}
    assert sorted(each.text for each in answers) == ["/slow 1"] * 30 + ["/slow 2"]


def test_what_took_long_is_kept_with_its_age() -> None:
    site = Site()
    first, second = site.run(lambda client: _twice(client, "/slow"))
    assert first.text == second.text == "/slow 1"
    assert "age" not in first.headers and second.headers["age"] == "0"


@pytest.mark.parametrize("address", ["/fast", "/static/slow", "/data/slow", "/slow/lost"])
def test_fast_answers_files_and_failures_are_made_anew(address: str) -> None:
    site = Site()
    assert [each.text[-1] for each in site.run(lambda client: _twice(client, address))] == ["1", "2"]


def test_nothing_outlives_its_time_or_its_statistics() -> None:
    site = Site(seconds=0.0)
    assert site.run(lambda client: _twice(client, "/slow"))[1].text == "/slow 2"
    site = Site()

    async def counted_anew(client: httpx2.AsyncClient) -> str:
        await client.get("/slow")
        site.version = "2"
        return (await client.get("/slow")).text

    assert site.run(counted_anew) == "/slow 2"


def test_a_question_that_another_site_leads_to_has_its_own_answer() -> None:
    site = Site()

    async def both(client: httpx2.AsyncClient) -> None:
        await client.get("/slow")
        await client.get("/slow", headers={"Sec-Fetch-Site": "cross-site"})

    site.run(both)
    assert site.made["/slow"] == 2


def test_a_page_that_crashes_crashes_for_all_who_wait_and_is_tried_again() -> None:
    site = Site()

    async def crowd(client: httpx2.AsyncClient) -> list[int]:
        waiting = await asyncio.gather(client.get("/slow/broken"), client.get("/slow/broken"))
        return [*(each.status_code for each in waiting), (await client.get("/slow/broken")).status_code]

    assert site.run(crowd) == [500, 500, 500]
    assert site.made["/slow/broken"] == 2


def test_a_reader_who_leaves_does_not_take_the_page_along() -> None:
    site = Site()

    async def leave(client: httpx2.AsyncClient) -> str:
        leaving = asyncio.create_task(client.get("/slow"))
        await asyncio.sleep(SLOW / 4)
        staying = asyncio.create_task(client.get("/slow"))
        await asyncio.sleep(SLOW / 4)
        leaving.cancel()
        return (await staying).text

    assert site.run(leave) == "/slow 1" and site.made["/slow"] == 1


def test_the_oldest_answers_make_room(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kept_answers, "MAX_BYTES", 400)
    site = Site()

    async def fill(client: httpx2.AsyncClient) -> None:
        for name in "abcde":
            await client.get(f"/slow/{name}?size=100")
        for name in "eba":
            await client.get(f"/slow/{name}?size=100")
        await client.get("/slow/large?size=101")
        await client.get("/slow/large?size=101")

    site.run(fill)
    assert site.made == {f"/slow/{name}": 1 for name in "bcde"} | {"/slow/a": 2, "/slow/large": 2}
