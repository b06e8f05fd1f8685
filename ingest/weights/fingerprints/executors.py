"""Executors of a batch: one-thread processes, a process a core; threads for few models; or a Dask cluster."""

from __future__ import annotations

import os
from collections.abc import Iterator
from concurrent.futures import Executor, ProcessPoolExecutor, ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from importlib.metadata import version
from multiprocessing import get_context
from typing import TYPE_CHECKING

from atlas_db.core.cpu import available_cores
from atlas_db.core.errors import UsageError
from atlas_db.core.extras import require_extra

if TYPE_CHECKING:
    from distributed import Client

_THREADS = ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS")
CONNECT_SECONDS = 10


@contextmanager
def local_executor(*, many: bool) -> Iterator[Executor]:
    """Yield an executor on this machine.

    Args:
        many: Whether the work is worth the start of processes; threads where it is not.

    Raises:
        UsageError: A process could not start, or was ended.
    """
    cores = available_cores()
    if not many:
        with ThreadPoolExecutor(cores) as pool:
            yield pool
        return
    before = {name: os.environ.get(name) for name in _THREADS}
    # Numerical libraries read this when they are loaded. Processes with several threads each would slow each other
    # down.
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


@contextmanager
def dask_executor(scheduler: str) -> Iterator[Executor | None]:
    """Yield an executor on a Dask cluster. Arguments and results are pickled: the cluster must be trusted.

    Args:
        scheduler: Address, as tcp://host:port or tls://host:port; None is yielded where it is empty.

    Raises:
        UsageError: The extra `cluster` is not installed, or the cluster cannot be reached. It has no workers, or its
            workers have other versions. A worker was ended while it computed.
    """
    if not scheduler:
        yield None
        return
    require_extra("cluster")
    from distributed import Client
    from distributed.comm.core import CommClosedError
    from distributed.scheduler import KilledWorker

    try:
        client = Client(scheduler, timeout=CONNECT_SECONDS, set_as_default=False)
    except (OSError, ValueError) as error:
        raise UsageError(
            f"no Dask scheduler answers at {scheduler}",
            hint="Start one with `dask scheduler`, then `dask worker`s",
        ) from error
    try:
        with client:
            _check_workers(client, scheduler)
            # Files may change under the same name, so results of earlier calls are not reused.
            with client.get_executor(pure=False) as pool:
                yield pool
    except (KilledWorker, CommClosedError) as error:
        raise UsageError(
            f"a worker of {scheduler} was ended while it computed ({error})",
            hint="See that its memory suffices, and run the same again: what is done is kept",
        ) from error


def _check_workers(client: Client, scheduler: str) -> None:
    """Check that there are workers, and that all have our versions of this program and numpy."""
    try:
        found = set(client.run(_version).values())
    except (ImportError, AttributeError) as error:
        raise UsageError(
            f"a worker of {scheduler} does not know this program ({error})", hint="Install model-atlas-db there"
        ) from error
    if not found:
        raise UsageError(f"{scheduler} has no workers", hint=f"Start some: dask worker {scheduler}")
    if found != {_version()}:
        raise UsageError(
            f"workers of {scheduler} run {', '.join(sorted(found))}, this is {_version()}",
            hint="Install the same version of model-atlas-db on all of them",
        )


def _version() -> str:
    return f"model-atlas-db {version('model-atlas-db')}, numpy {version('numpy')}"
