"""Processes that share a batch of weights: one a core, each of one thread; threads for a handful."""

from __future__ import annotations

import os
from collections.abc import Iterator
from concurrent.futures import Executor, ProcessPoolExecutor, ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from multiprocessing import get_context

from atlas_db.errors import UsageError

_THREADS = ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS")


@contextmanager
def workers(*, many: bool) -> Iterator[Executor]:
    """Yield where to compute.

    Args:
        many: Whether the work is worth the start of processes.

    Raises:
        UsageError: A process could not start, or was ended.
    """
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    if not many:
        with ThreadPoolExecutor(cores) as pool:
            yield pool
        return
    before = {name: os.environ.get(name) for name in _THREADS}
    # Read by numerical libraries when they are loaded: processes that share the cores by threads, too, slow each other.
    os.environ.update(dict.fromkeys(_THREADS, "1"))
    try:
        with ProcessPoolExecutor(cores, mp_context=get_context("spawn")) as pool:
            yield pool
    except BrokenProcessPool as error:
        raise UsageError(
            "a process that computes was ended from outside, or could not start",
            hint="In a script of your own, call from under `if __name__ == '__main__':`; else see that memory is free",
        ) from error
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
