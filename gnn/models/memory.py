"""Memory that the allocator keeps after its arrays are gone."""

from __future__ import annotations

import ctypes
import gc
import sys


def release_memory() -> None:
    """Give freed memory back to the operating system, where its C library can (glibc); elsewhere do nothing more.

    Without this, a process that builds tables of other sizes in turn holds more than twice of what it uses.
    """
    gc.collect()
    if sys.platform == "linux" and hasattr(library := ctypes.CDLL(None), "malloc_trim"):
        library.malloc_trim(0)
