"""Time and peak memory of a stage: of this process with its children, and of the local engine."""

from __future__ import annotations

import os
import threading
import time

import psutil

from atlas_db.core.settings import Settings
from atlas_db.store.connect import local_place
from atlas_db.store.managed_engine import read_state

SAMPLE_SECONDS = 0.1
"""Seconds between two samples; a shorter peak may be missed."""


class ResourceMeter:
    """Measures the time and memory of its block.

    Args:
        settings: Names the store; only a local engine is measured.

    Attributes:
        seconds: Wall-clock time in seconds.
        memory: Peak of resident bytes of this process and its children together.
        engine: Peak of resident bytes of the local engine; None where it runs elsewhere.
    """

    def __init__(self, settings: Settings) -> None:
        self.seconds = 0.0
        self.memory = 0
        self.engine: int | None = None
        self._place = local_place(settings)
        self._stop = threading.Event()
        self._sampler = threading.Thread(target=self._sample, daemon=True)

    def __enter__(self) -> ResourceMeter:
        self._began = time.monotonic()
        self._sampler.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._sampler.join()
        self.seconds = round(time.monotonic() - self._began, 2)

    def _sample(self) -> None:
        own = psutil.Process(os.getpid())
        engine = self._engine_pid()
        over = False
        while not over:
            over = self._stop.wait(SAMPLE_SECONDS)
            engine_pids = {engine} if engine is not None else set()
            tree = [own, *(child for child in own.children(recursive=True) if child.pid not in engine_pids)]
            self.memory = max(self.memory, sum(_resident(each.pid) for each in tree))
            if engine is not None:
                self.engine = max(self.engine or 0, _resident(engine))

    def _engine_pid(self) -> int | None:
        state = read_state(self._place[1]) if self._place is not None else None
        return None if state is None else int(str(state["java_pid"]))


def _resident(pid: int) -> int:
    try:
        return int(psutil.Process(pid).memory_info().rss)
    except psutil.Error:
        return 0
