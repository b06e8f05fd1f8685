"""Client of a graph database over Bolt: sessions, managed transactions, plain Python values, our errors.

Every write is a managed transaction (auto-commit writes are broken on one engine and lose rows under load on the
other). The driver's exceptions never leave this module.
"""

from __future__ import annotations

import contextlib
import logging
import re
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, TypeVar

import neo4j
from neo4j import exceptions as bolt

from atlas_db.core.errors import (
    AtlasError,
    CypherError,
    StoreError,
    StoreRefusedError,
    StoreUnavailableError,
    UsageError,
    WriteRefusedError,
)
from atlas_db.core.terms import SOFTWARE
from atlas_db.store.bolt_values import require_sendable
from atlas_db.store.garbage_collection import paused_gc
from atlas_db.store.statements import Statement
from atlas_db.store.time_limits import are_reads_limited, limited_reads, run_limited, time_limit_error

if TYPE_CHECKING:
    from atlas_db.store.bulk.graph_batch import BatchEndpoint
    from atlas_db.store.bulk.offline_import import OfflineEndpoint

T = TypeVar("T")
_SEE_LOG = "Check the server log"
"""What ArcadeDB answers in place of an error's text, in the mode for production."""
_OS_ERROR = re.compile(r"reason \[Errno \d+\] ([^)]+)\)")
_EXPLAINS = re.compile(r"\s*(EXPLAIN|PROFILE)\s", re.IGNORECASE)
"""What the local engine counts as writing, whatever stands behind it."""
_EXPLAIN = "EXPLAIN "
_PLACE = re.compile(r"\(line \d+, column \d+ \(offset: \d+\)\)")
"""A place in a statement, as Neo4j writes it."""
MAX_MESSAGE = 300
"""Characters of an engine's message that are shown."""
_FIRST_LINE = re.compile(r"line 1, column (\d+) \(offset: (\d+)\)")
"""A place in the first line of a statement, as Neo4j writes it."""
_LOCAL_PLACE = re.compile(r"line (\d+)(?:, column |:)(\d+)")
"""A place in a statement, as the local engine writes it: columns from 0, without what `_LEADING` finds."""
_LEADING = re.compile(r"(?:\s+|//[^\n]*|/\*.*?\*/)*", re.DOTALL)
"""Blank lines and comments before a statement, which the local engine drops before it counts."""
Row = dict[str, Any]
RETRY_SECONDS, CONNECT_SECONDS = 20.0, 10.0
_SHOWN = 1024
"""Characters of a running statement that the local engine shows."""
_CLOCK_SECONDS = 0.5
"""Seconds by which a statement may seem to start before it was sent."""

# The driver also logs what it raises. The command line shows each error once already.
logging.getLogger("neo4j").setLevel(logging.CRITICAL)


_ROUTED = "neo4j"
"""Beginning of addresses whose server may send a session to any member of a cluster."""


class Transaction:
    """One managed transaction. It can be retried from the start, so its work must have no side effects elsewhere."""

    def __init__(self, inner: neo4j.ManagedTransaction) -> None:
        self._inner = inner

    def run(self, statement: Statement, **parameters: object) -> list[Row]:
        """Run a statement and return all rows as plain Python values."""
        result = self._inner.run(statement.text, parameters)
        return [
            {key: to_python(value) for key, value in zip(record.keys(), record.values(), strict=True)}
            for record in result
        ]

    def run_batch(self, statement: Statement, rows: Sequence[object], **parameters: object) -> None:
        """Run a statement on the parameter `$rows` and wait for its completion."""
        self._inner.run(statement.text, {"rows": rows, **parameters}).consume()


class Store:
    """A connection to one database. Use as a context manager.

    Args:
        url: Bolt URL.
        user: User name.
        password: Password.
        reader: Name and password of a user that may only read; by default the same user reads and writes.
        database: Name of the database on the server.
        diagnose: Called after a failure; returns a fault of the machine that the engine runs on, or an empty text.
        logged_error: Called where the engine refers to its log; returns the newest error there, or an empty text.
        retry_seconds: Seconds for which a transaction is retried after transient errors.

    Attributes:
        name: The store as it was named; the URL by default.
        address: The URL, without credentials.
        engine: Product name and version that the server reports.
        query_seconds: Time limit of a statement within `limited_reads`, and of one that the user wrote; 0 for none.
        batches: Where the engine takes batches of a first load; None where it takes none.
        offline: How the engine's import tool runs in its place for a first load; None where it has none.
    """

    def __init__(
        self,
        url: str,
        *,
        user: str,
        password: str,
        database: str,
        reader: tuple[str, str] | None = None,
        diagnose: Callable[[], str] = lambda: "",
        logged_error: Callable[[], str] = lambda: "",
        retry_seconds: float = RETRY_SECONDS,
    ) -> None:
        self.name = self.address = url
        self._diagnose, self._logged_error = diagnose, logged_error
        self.query_seconds, self.engine = 0.0, ""
        self.batches: BatchEndpoint | None = None
        self.offline: OfflineEndpoint | None = None
        self._database = database
        self._on_close = contextlib.ExitStack()
        # A cluster sends reads to members that may lag: there each session waits for what all before it wrote.
        self._bookmarks = neo4j.GraphDatabase.bookmark_manager() if url.startswith(_ROUTED) else None
        self._writer = _driver(url, (user, password), retry_seconds)
        # Two drivers, not two users of one: each has its own connections, and no one changes hands.
        self._reader = self._writer if reader is None else _driver(url, reader, retry_seconds)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def ping(self) -> None:
        """Run a trivial query, to check that the store answers.

        Raises:
            StoreUnavailableError: The store does not answer.
            StoreRefusedError: Wrong password, or no such database.
        """
        with self.translated_errors():
            self.engine = self._writer.get_server_info().agent
            for driver in dict.fromkeys((self._writer, self._reader)):
                driver.execute_query("RETURN 1 AS one", database_=self._database)

    def read(self, statement: Statement, **parameters: object) -> list[Row]:
        """Run a reading statement in a managed transaction and return all rows.

        Raises:
            TimeLimitError: It took too long, within `limited_reads`.
        """
        with self.translated_errors():
            return self._execute_read(statement.text, lambda tx: Transaction(tx).run(statement, **parameters))

    def fetch_all(self, statement: Statement, **parameters: object) -> list[list[Any]]:
        """Run a statement that returns `page` columns and return their entries in one list. Safe from any thread."""
        return [entry for page in self.map_pages(statement, _identity, **parameters) for entry in page]

    def map_pages(self, statement: Statement, convert: Callable[[list[list[Any]]], T], **parameters: object) -> list[T]:
        """Run a statement that returns `page` columns and return each page converted. A retry converts pages again."""
        with self.translated_errors(), paused_gc():
            return self._execute_read(
                statement.text, lambda tx: [convert(record["page"]) for record in tx.run(statement.text, parameters)]
            )

    def write(self, work: Callable[[Transaction], T]) -> T:
        """Run work in one managed transaction; a transient error restarts it."""
        with self.translated_errors(), self._session(neo4j.WRITE_ACCESS) as session:
            return session.execute_write(lambda tx: work(Transaction(tx)))

    def apply_schema(self, statements: Sequence[Statement]) -> None:
        """Create constraints or indexes, one transaction each."""
        with self.translated_errors(), self._session(neo4j.WRITE_ACCESS) as session:
            for statement in statements:
                session.execute_write(_run_text, statement.text)

    def run_user_query(
        self, text: str, parameters: Mapping[str, object], *, write: bool = False
    ) -> tuple[list[str], list[Row]]:
        """Run a Cypher query that the user wrote.

        Returns:
            Column names and rows.

        Raises:
            WriteRefusedError: It would write, and `write` is false.
            CypherError: It is malformed, or fails on what it reads.
            TimeLimitError: It only reads, and took too long.
            QueryParameterError: A parameter is a number beyond 64 bits, or no Unicode.
            UsageError: It is empty.
        """
        if not text.strip():
            raise UsageError("the query is empty", hint="Give Cypher, or name a shipped query: atlas-db query")
        require_sendable(parameters)
        explained = self._reader is self._writer and not write
        with self._user_errors(text, explained=explained):
            if write:
                with self._session(neo4j.WRITE_ACCESS) as session:
                    return session.execute_write(lambda tx: _run_user_text(tx, text, parameters)[:2])
            with limited_reads():
                return self._execute_read(text, lambda tx: self._read_user_text(tx, text, parameters))

    def _execute_read(self, text: str, work: Callable[[neo4j.ManagedTransaction], T]) -> T:
        """Run work on one statement in a managed transaction for reading, within the time limit where there is one.

        Neo4j takes the limit with the transaction. The local engine does not, but ends a statement when it is asked to
        (findings/arcadedb-transaction-timeout.sh).
        """
        seconds = self.query_seconds if are_reads_limited() else 0.0
        within = neo4j.unit_of_work(timeout=seconds or None)(work)

        def run() -> T:
            with self._session(neo4j.READ_ACCESS) as session:
                return session.execute_read(within)

        if not seconds:
            return run()
        began = time.time()
        try:
            return run_limited(run, seconds, lambda: self._end_statement(text, began))
        except bolt.Neo4jError as error:
            if ".Transaction.T" not in (error.code or "") or time.time() - began < seconds:
                raise
            raise time_limit_error(seconds) from error

    def _end_statement(self, text: str, began: float) -> None:
        """Have the local engine end a statement of a reader: the first of that text since the time it was sent."""
        if self._reader is self._writer:
            return
        # The engine lists to a reader what readers run.
        shown = self._reader.execute_query("SHOW TRANSACTIONS", database_=self._database).records
        running = [
            (start.timestamp(), row["transactionId"])
            for row in shown
            if row["currentQuery"][:_SHOWN] == text[:_SHOWN]
            and (start := datetime.fromisoformat(row["startTime"])).timestamp() > began - _CLOCK_SECONDS
        ]
        for _, identifier in sorted(running)[:1]:
            self._reader.execute_query("TERMINATE TRANSACTIONS $id", {"id": identifier}, database_=self._database)

    def _read_user_text(
        self, tx: neo4j.ManagedTransaction, text: str, parameters: Mapping[str, object]
    ) -> tuple[list[str], list[Row]]:
        """Run a text of the user that must only read.

        Neo4j has a mode for reading, and states in a plan what a statement does. The local engine does neither, but has
        a user that may only read.
        """
        if self._reader is self._writer:
            _check_plan(tx.run(_EXPLAIN + text, dict(parameters)).consume())
        try:
            keys, rows, summary = _run_user_text(tx, text, parameters)
        except bolt.Forbidden as error:
            raise _write_refused("the engine refuses this to a reader") from error
        plain = not _EXPLAINS.match(text)
        if summary.counters.contains_updates or (plain and summary.query_type != "r"):
            raise _write_refused("the query writes")
        return keys, rows

    def close(self) -> None:
        """Close the connection and run the callbacks of `on_close`."""
        self._reader.close()
        self._writer.close()
        self._on_close.close()

    def take_over(self, other: Store) -> None:
        """Go on with the connection of another object, which ends with this: the engine has another address now."""
        self._reader.close()
        self._writer.close()
        self._reader, self._writer, self.address, self.engine = (
            other._reader,
            other._writer,
            other.address,
            other.engine,
        )

    def on_close(self, callback: Callable[[], None]) -> None:
        """Run a callback once, when the connection closes."""
        self._on_close.callback(callback)

    @contextlib.contextmanager
    def translated_errors(self) -> Iterator[None]:
        """Translate the driver's exceptions, and add a fault of this machine that explains them."""
        try:
            with _driver_errors(self.address):
                yield
        except StoreError as error:
            if not (trouble := self._diagnose()):
                raise
            raise StoreRefusedError(
                f"{error.message}; {trouble}",
                code=getattr(error, "code", ""),
                hint="Free disk space, then run the same command again: it goes on where it was",
            ) from error

    @contextlib.contextmanager
    def _user_errors(self, text: str, *, explained: bool) -> Iterator[None]:
        """Translate the driver's exceptions as `translated_errors`; those of the statement are the user's.

        Args:
            text: What the user wrote.
            explained: True where `_EXPLAIN` stands before the user's text, so that its first line begins later.
        """
        try:
            with self.translated_errors():
                yield
        except StoreRefusedError as error:
            if not isinstance(error.__cause__, bolt.Neo4jError) or ".Statement." not in error.code:
                raise
            logged = self._logged_error() if _SEE_LOG in error.message else ""
            stated = _FIRST_LINE.sub(_before_explain, error.message) if explained else error.message
            raise CypherError(
                _placed(logged, text) or stated, hint="Correct the query; atlas-db schema lists labels and properties"
            ) from error

    def _session(self, access: str) -> neo4j.Session:
        driver = self._writer if access == neo4j.WRITE_ACCESS else self._reader
        return driver.session(
            database=self._database,
            default_access_mode=access,
            fetch_size=2000,
            bookmark_manager=self._bookmarks,
        )


def _driver(url: str, auth: tuple[str, str], retry_seconds: float) -> neo4j.Driver:
    try:
        return neo4j.GraphDatabase.driver(
            url,
            auth=auth,
            max_transaction_retry_time=retry_seconds,
            connection_timeout=CONNECT_SECONDS,
            notifications_min_severity="OFF",
            user_agent=SOFTWARE,
        )
    except (bolt.DriverError, ValueError) as error:
        raise StoreUnavailableError(
            f"{url} is no usable store address ({_first_line(error)})",
            hint="Use local[:DIR], neo4j-local[:DIR], bolt://HOST:PORT or neo4j+s://HOST",
        ) from error


def _identity(page: list[list[Any]]) -> list[list[Any]]:
    return page


def _run_user_text(
    tx: neo4j.ManagedTransaction, text: str, parameters: Mapping[str, object]
) -> tuple[list[str], list[Row], neo4j.ResultSummary]:
    result = tx.run(text, dict(parameters))
    keys = list(result.keys())
    rows = [
        {key: to_python(value) for key, value in zip(record.keys(), record.values(), strict=True)} for record in result
    ]
    return keys, rows, result.consume()


def _check_plan(summary: neo4j.ResultSummary) -> None:
    """Check the plan of a statement that did not run yet.

    Raises:
        WriteRefusedError: It would do more than read.
    """
    plans = [summary.plan] if summary.plan else []
    while plans:
        plan = plans.pop()
        if plan["operatorType"].startswith("Terminate"):
            raise _write_refused("the query ends transactions of others")
        plans += plan.get("children", [])
    if summary.query_type != "r":
        raise _write_refused("the query writes")


def _write_refused(reason: str) -> WriteRefusedError:
    return WriteRefusedError(reason, hint="Add --write if that is meant")


def _run_text(tx: neo4j.ManagedTransaction, text: str) -> None:
    tx.run(text).consume()


def to_python(value: Any) -> Any:  # noqa: ANN401
    """Convert a driver's value to plain Python: nodes and edges become mappings, times become ISO strings."""
    match value:
        case None | bool() | int() | float() | str():
            return value
        case list():
            return [to_python(entry) for entry in value]
        case neo4j.graph.Node():
            return {"labels": sorted(value.labels), **{key: to_python(entry) for key, entry in value.items()}}
        case neo4j.graph.Relationship():
            return {"type": value.type, **{key: to_python(entry) for key, entry in value.items()}}
        case neo4j.graph.Path():
            return {
                "nodes": [to_python(n) for n in value.nodes],
                "relationships": [to_python(r) for r in value.relationships],
            }
        case dict():
            return {key: to_python(entry) for key, entry in value.items()}
        case _ if hasattr(value, "iso_format"):
            return value.iso_format()
        case _:
            return str(value)


@contextlib.contextmanager
def _driver_errors(address: str) -> Iterator[None]:
    """Translate the driver's exceptions; each keeps its cause."""
    try:
        yield
    except AtlasError:
        raise
    except bolt.AuthError as error:
        raise StoreRefusedError(
            f"{address} refused the user name or password",
            code=error.code or "",
            hint="Set ATLAS_DB_USER and ATLAS_DB_PASSWORD",
        ) from error
    except (bolt.ServiceUnavailable, bolt.SessionExpired, ConnectionError, TimeoutError) as error:
        raise StoreUnavailableError(
            f"{address} does not answer ({_connection_failure(error)})",
            hint="Check that the server runs, or use --store local; what was committed is kept: run the command again",
        ) from error
    except bolt.Neo4jError as error:
        raise _refused(error) from error
    except bolt.DriverError as error:
        raise StoreError(
            f"the driver gave up ({_first_line(error)})", hint="Run the same command again; see atlas-db doctor"
        ) from error


def _refused(error: bolt.Neo4jError) -> AtlasError:
    code = error.code or ""
    text = _first_line(error)
    if "AccessMode" in code or "read access mode" in text.lower():
        return _write_refused("the query writes")
    if "No space left" in str(error) or "disk" in text.lower():
        return StoreRefusedError(text, code=code, hint="Free disk space, then run the same command again: it continues")
    hint = "Check the query" if "Statement" in code else "See atlas-db doctor, then run the same command again"
    return StoreRefusedError(text, code=code, hint=hint)


def _placed(message: str, text: str) -> str:
    """Return a message of the local engine with its place in the text as the user counts, from line 1 and column 1."""
    leading = _LEADING.match(text)
    before = leading[0] if leading else ""

    def counted(place: re.Match[str]) -> str:
        line, column = (int(number) for number in place.groups())
        column += len(before.rpartition("\n")[2]) if line == 1 else 0
        return f"line {line + before.count(chr(10))}, column {column + 1}"

    return _LOCAL_PLACE.sub(counted, message, count=1)


def _before_explain(place: re.Match[str]) -> str:
    """Return a place in the first line as the user counts, who typed no EXPLAIN."""
    column, offset = (max(0, int(number) - len(_EXPLAIN)) for number in place.groups())
    return f"line 1, column {column} (offset: {offset})"


def _connection_failure(error: BaseException) -> str:
    """Return the system's reason for a failed connection, where the driver states one."""
    found = _OS_ERROR.search(str(error))
    return found[1].lower() if found else _first_line(error)


def _first_line(error: BaseException) -> str:
    """Return the first line of a message, its middle left out where it is long: its end may be the place."""
    text = getattr(error, "message", None) or str(error) or type(error).__name__
    line = str(text).splitlines()[0].rstrip(". ")
    if len(line) <= MAX_MESSAGE:
        return line
    place = _PLACE.search(line)
    end = f" {place[0]}" if place else ""
    return f"{line[: MAX_MESSAGE - len(end) - 2]} …{end}"
