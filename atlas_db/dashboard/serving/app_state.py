"""State of the web app: the store, reopened after a failure, and the bundle, rebuilt in a process of its own."""

from __future__ import annotations

import json
import multiprocessing
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection

from atlas_db.core import errors
from atlas_db.core.cpu import available_cores
from atlas_db.core.errors import AtlasError, StoreUnavailableError
from atlas_db.core.settings import Settings
from atlas_db.core.terms import Progress
from atlas_db.dashboard.aggregates import Bundle, build_bundle, bundle_key, load_bundle
from atlas_db.store.bolt import Store
from atlas_db.store.connect import open_store
from atlas_db.store.time_limits import limited_reads

POLL_SECONDS = 20.0
"""Seconds between two checks for new runs."""


class AppState:
    """A store and its bundle. Use it as a context manager.

    A missing bundle is built on entering. Later it is rebuilt in a process of its own after new runs. Pages show the
    previous bundle until the new one is complete.

    Args:
        settings: Names the store and the home folder.
        progress: Called with stage, done and total while the first bundle is built.
        poll_seconds: See the attribute.

    Attributes:
        poll_seconds: Seconds between two checks for new runs.
        turns: Callers that have the store at once.
    """

    def __init__(
        self, settings: Settings, progress: Progress = lambda *_: None, poll_seconds: float = POLL_SECONDS
    ) -> None:
        self.settings = settings
        self._progress = progress
        self.poll_seconds = poll_seconds
        self._lock = threading.Lock()
        self._store: Store | None = None
        self._readers: Counter[Store] = Counter()
        # ArcadeDB runs twice as many requests as there are cores, at least four. Others wait in the order in which they
        # came (findings/arcadedb-writes-queue-behind-reads.sh). One place is left, so a load waits for no reader.
        self.turns = max(4, 2 * available_cores()) - 1
        self._turns = threading.BoundedSemaphore(self.turns)
        self._closed = threading.Event()
        self._watcher = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> AppState:
        """Open the store, and build its bundle where it is missing.

        Raises:
            StoreError: It cannot be reached or started.
            EmptyStoreError: It has no models.
        """
        try:
            self._bundle = self._load() or self._build(self._progress)
        except AtlasError:
            self.release_store()
            raise
        self._watcher.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._closed.set()
        self._watcher.join(timeout=5)
        self.release_store()

    @property
    def bundle(self) -> Bundle:
        """The newest bundle."""
        return self._bundle

    @contextmanager
    def store(self) -> Iterator[Store]:
        """Yield the store, whose reads are limited, when it is the caller's turn. Calls are not nested.

        After a failure the next caller reopens it. The last reader closes the old one.

        Raises:
            StoreError: It cannot be reached or started.
        """
        with self._turns:
            with self._lock:
                if self._store is None:
                    self._store = open_store(self.settings)
                store = self._store
                self._readers[store] += 1
            try:
                with limited_reads():
                    yield store
            except StoreUnavailableError:
                self._release(store)
                raise
            finally:
                with self._lock:
                    self._readers[store] -= 1
                    self._close_unread(store)

    def release_store(self) -> None:
        """Release the store: its last reader closes it, and the next caller reopens it."""
        if (store := self._store) is not None:
            self._release(store)

    def _release(self, store: Store) -> None:
        with self._lock:
            if self._store is store:
                self._store = None
                self._close_unread(store)

    def _close_unread(self, store: Store) -> None:
        """Close a released store without readers: closing a connection that another thread uses would break it."""
        if store is not self._store and not self._readers[store]:
            del self._readers[store]
            store.close()

    def _load(self) -> Bundle | None:
        with self.store() as store:
            return load_bundle(store, self.settings.home)

    def _watch(self) -> None:
        self._bundle.prepare()
        while not self._closed.wait(self.poll_seconds):
            try:
                with self.store() as store:
                    stale = self._bundle.report["key"] != bundle_key(store)
                if stale:
                    fresh = self._build(lambda *_: None)
                    fresh.prepare()
                    self._bundle = fresh
            except AtlasError:
                # Pages keep the old bundle; a page that reads the store reports the error itself.
                continue
        # A check that outlasts closing may have opened the store again.
        self.release_store()

    def _build(self, progress: Progress) -> Bundle:
        context = multiprocessing.get_context("spawn")
        ours, theirs = context.Pipe(duplex=False)
        worker = context.Process(target=_build_in_process, args=(self.settings, theirs), daemon=True)
        worker.start()
        theirs.close()
        failed = AtlasError("the statistics could not be computed", hint="See atlas-db doctor, then try again")
        while not self._closed.is_set():
            try:
                if ours.poll(0.2):
                    message = json.loads(ours.recv_bytes())
                    if "error" in message:
                        failed = getattr(errors, message["error"])(message["message"], hint=message["hint"])
                    else:
                        progress(*message["progress"])
            except EOFError:
                break
        else:
            worker.terminate()
        worker.join()
        found = self._load() if worker.exitcode == 0 else None
        if found is None:
            raise failed
        return found


def _build_in_process(settings: Settings, pipe: Connection) -> None:
    """Build a bundle in a process of its own, and send progress or the error through a pipe."""

    def send_progress(stage: str, done: int, total: int) -> None:
        try:
            pipe.send_bytes(json.dumps({"progress": [stage, done, total]}).encode())
        except BrokenPipeError:
            raise SystemExit(1) from None  # the dashboard ended, and nobody waits for this bundle

    try:
        with open_store(settings) as store:
            build_bundle(store, settings.home, send_progress)
    except AtlasError as error:
        # Errors of single files have more attributes than these; none of them occurs here.
        message = {"error": type(error).__name__, "message": error.message, "hint": error.hint}
        pipe.send_bytes(json.dumps(message).encode())
        raise SystemExit(1) from error
