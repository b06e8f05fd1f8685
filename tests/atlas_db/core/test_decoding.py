"""Types that threads decode are prepared on import: the first decoding of several threads at once is safe."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

AT_ONCE = """
import sys, threading
from pathlib import Path
from ingest.formats.byte_source import LocalFile
from ingest.formats.safetensors import read_header
from ingest.weights.tree.scorer import read_scorer, load_scorer

barrier, done = threading.Barrier(8), []

def first() -> None:
    barrier.wait()
    with LocalFile(Path(sys.argv[1])) as source:
        done.append(len(read_header(source).tensors))
    load_scorer(True)

sys.setswitchinterval(1e-6)
threads = [threading.Thread(target=first) for _ in range(8)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
print(done)
"""


@pytest.mark.slow
def test_threads_may_be_the_first_to_decode(tmp_path: Path) -> None:
    save_file({"a": np.zeros((2, 2), np.float32), "b": np.ones(3, np.float32)}, tmp_path / "model.safetensors")
    for _ in range(5):
        done = subprocess.run(
            [sys.executable, "-c", AT_ONCE, str(tmp_path / "model.safetensors")],
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert (done.returncode, done.stdout.strip()) == (0, str([2] * 8)), done.stderr[-500:]
