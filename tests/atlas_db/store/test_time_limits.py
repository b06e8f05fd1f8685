"""Limits of time: the engine ends a statement that takes too long, and the caller gets a named error in time."""

from __future__ import annotations

import os
import signal
import threading
import time

import pytest

from atlas_db.core.errors import CypherError, TimeLimitError, WriteRefusedError
from atlas_db.store import time_limits
from atlas_db.store.bolt import Store
from atlas_db.store.statements import Statement
from atlas_db.store.time_limits import limited_reads, run_limited

LONG = (
    "UNWIND range(1, 4000) AS a UNWIND range(1, 4000) AS b UNWIND range(1, 100) AS c WITH a + b + c AS x WHERE x < 0 "
)
"""1.6 billion rows, of which none comes out."""


@pytest.fixture
def hurried(store: Store, monkeypatch: pytest.MonkeyPatch) -> Store:
    monkeypatch.setattr(store, "query_seconds", 1.0)
    return store


@pytest.mark.contract
@pytest.mark.parametrize("text", [LONG + "RETURN x", LONG + "RETURN count(x) AS n"], ids=["rows", "one row"])
def test_the_engine_ends_a_query_of_the_user_that_takes_too_long(hurried: Store, text: str) -> None:
    began = time.monotonic()
    with pytest.raises(TimeLimitError, match=r"longer than 1 s, so the engine ended it.*ATLAS_DB_QUERY_SECONDS"):
        hurried.run_user_query(text, {})
    assert 1 <= time.monotonic() - began < 1 + time_limits.GRACE_SECONDS
    assert _running(hurried, LONG) == 0


@pytest.mark.contract
def test_it_ends_this_query_and_none_of_the_same_text_that_began_earlier(store: Store) -> None:
    outcomes = []

    def ask() -> None:
        with pytest.raises(TimeLimitError):
            store.run_user_query(LONG + "RETURN 2", {})
        outcomes.append(time.monotonic())

    began = time.monotonic()
    store.query_seconds = 6.0
    first = threading.Thread(target=ask)
    first.start()
    time.sleep(1.5)
    store.query_seconds = 1.0
    ask()
    store.query_seconds = 0.0
    first.join()
    assert outcomes[0] - began < outcomes[1] - began
    assert outcomes[1] - began >= 6


@pytest.mark.contract
def test_reads_have_a_limit_within_the_block_only(hurried: Store) -> None:
    short = Statement("UNWIND range(1, 1400) AS a UNWIND range(1, 1400) AS b WITH a + b AS x WHERE x < 0 RETURN x")
    hurried.query_seconds = 0.005
    assert hurried.read(short) == []
    with limited_reads(), pytest.raises(TimeLimitError):
        hurried.read(short)
    assert hurried.read(short) == []


@pytest.mark.contract
def test_what_is_refused_or_wrong_is_told_as_without_a_limit(hurried: Store) -> None:
    with pytest.raises(WriteRefusedError):
        hurried.run_user_query("CREATE (:Model {id: 'x'})", {})
    with pytest.raises(CypherError):
        hurried.run_user_query("MATCH (m:Model RETURN m", {})
    assert hurried.run_user_query("RETURN 1 AS one", {}) == (["one"], [{"one": 1}])


def test_the_caller_gets_an_answer_where_the_engine_cannot_end_a_statement(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(time_limits, "GRACE_SECONDS", 0.05)
    released, asked = threading.Event(), []
    with pytest.raises(TimeLimitError, match="cannot end it.*atlas-db store stop"):
        run_limited(lambda: released.wait(20), 0.05, lambda: asked.append(True))
    released.set()
    assert asked and all(asked)


def test_a_timeout_of_the_work_itself_stays_what_it_is() -> None:
    def work() -> None:
        raise TimeoutError("of the network")

    with pytest.raises(TimeoutError, match="of the network"):
        run_limited(work, 5, lambda: pytest.fail("nothing is to be ended"))


@pytest.mark.parametrize("error", [SystemExit(3), KeyboardInterrupt(), MemoryError()], ids=repr)
def test_whatever_the_work_raises_reaches_the_caller_and_ends_no_thread(error: BaseException) -> None:
    def work() -> None:
        raise error

    before = threading.active_count()
    for _ in range(3):
        with pytest.raises(type(error)) as raised:
            run_limited(work, 5, lambda: pytest.fail("nothing is to be ended"))
        assert raised.value is error
    assert run_limited(lambda: "rows", 5, lambda: None) == "rows"
    assert threading.active_count() <= before + 1


def test_who_interrupts_the_wait_has_the_engine_end_the_statement() -> None:
    released, ended = threading.Event(), []
    interrupt = threading.Timer(0.1, os.kill, (os.getpid(), signal.SIGINT))
    interrupt.start()
    with pytest.raises(KeyboardInterrupt):
        run_limited(lambda: released.wait(20), 15, lambda: ended.append(True))
    released.set()
    assert ended == [True]


def test_what_is_ready_within_the_grace_is_returned() -> None:
    assert run_limited(lambda: time.sleep(0.1) or "rows", 0.02, lambda: None) == "rows"


def test_threads_are_used_again_and_each_caller_has_its_own() -> None:
    used = {run_limited(threading.get_ident, 5, lambda: None) for _ in range(50)}
    assert len(used) <= 2 and threading.get_ident() not in used
    together = threading.Barrier(20)

    def meet() -> int:
        together.wait(20)
        return threading.get_ident()

    found: list[int] = []
    callers = [threading.Thread(target=lambda: found.append(run_limited(meet, 30, lambda: None))) for _ in range(20)]
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join()
    assert len(set(found)) == 20


def _running(store: Store, text: str) -> int:
    columns, rows = store.run_user_query("SHOW TRANSACTIONS YIELD currentQuery RETURN currentQuery", {})
    assert columns == ["currentQuery"]
    return sum(row["currentQuery"].startswith(text) for row in rows)
