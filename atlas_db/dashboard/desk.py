"""What the app works with: the store, opened again when it went away, and the bundle, counted beside the app."""

from __future__ import annotations

import multiprocessing
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from atlas_db.dashboard.bundle import Bundle, kept, key_of, make
from atlas_db.errors import AtlasError, NotReadyError, StoreUnavailableError
from atlas_db.settings import Settings
from atlas_db.store.bolt import Store
from atlas_db.store.opening import open_store

LOOK_SECONDS = 20.0
"""How often it is looked whether runs came since."""


class Desk:
    """One store and what was counted of it. Use as a context manager.

    Counting runs in a process of its own, so that no page waits for it; until it is through, pages show the last one.
    """

    def __init__(self, settings: Settings, look_seconds: float = LOOK_SECONDS) -> None:
        self.settings = settings
        self._look_seconds = look_seconds
        self._lock = threading.Lock()
        self._store: Store | None = None
        self._bundle: Bundle | None = None
        self._stage = "starting"
        self._trouble: AtlasError | None = None
        self._closed = threading.Event()
        self._watcher = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> Desk:
        self._bundle = self._read()
        self._watcher.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._closed.set()
        self._watcher.join(timeout=5)
        self._drop()

    @contextmanager
    def store(self) -> Iterator[Store]:
        """Yield the store; one that went away is opened again by the next caller.

        Raises:
            StoreError: It cannot be reached or started.
        """
        try:
            with self._lock:
                if self._store is None:
                    self._store = open_store(self.settings)
                store = self._store
            yield store
        except StoreUnavailableError:
            self._drop()
            raise

    def bundle(self) -> Bundle:
        """Return what was counted last.

        Raises:
            NotReadyError: Nothing was, yet.
            AtlasError: Counting failed.
        """
        if self._bundle is not None:
            return self._bundle
        if self._trouble is not None:
            raise self._trouble
        raise NotReadyError(f"The atlas is being counted ({self._stage})", hint="This page comes back by itself.")

    def _drop(self) -> None:
        with self._lock:
            if self._store is not None:
                self._store.close()
                self._store = None

    def _read(self) -> Bundle | None:
        with self.store() as store:
            return kept(store, self.settings.home)

    def _watch(self) -> None:
        while not self._closed.is_set():
            try:
                with self.store() as store:
                    stale = self._bundle is None or self._bundle.report["key"] != key_of(store)
                if stale:
                    self._count()
            except AtlasError as error:
                self._trouble = error
            self._closed.wait(self._look_seconds)

    def _count(self) -> None:
        context = multiprocessing.get_context("spawn")
        ours, theirs = context.Pipe(duplex=False)
        worker = context.Process(target=_work, args=(self.settings, theirs), daemon=True)
        worker.start()
        theirs.close()
        said: Any = None
        while not self._closed.is_set():
            try:
                if ours.poll(0.5):
                    said = ours.recv_bytes().decode()
                    self._stage = said
            except EOFError:
                break
        if self._closed.is_set():
            worker.terminate()
        worker.join()
        if worker.exitcode == 0:
            self._bundle, self._trouble = self._read(), None
        elif not self._closed.is_set():
            self._trouble = AtlasError(
                f"The statistics could not be counted: {said}",
                hint="See atlas-db doctor, then start the dashboard again",
            )


def _work(settings: Settings, pipe: Any) -> None:  # noqa: ANN401
    """Count in a process of its own, telling how far it is."""

    def tell(stage: str, done: int, total: int) -> None:
        pipe.send_bytes(f"{stage}, {done} of {total}".encode() if total else stage.encode())

    try:
        with open_store(settings) as store:
            make(store, settings.home, tell)
    except AtlasError as error:
        pipe.send_bytes(str(error).encode())
        raise SystemExit(1) from error
