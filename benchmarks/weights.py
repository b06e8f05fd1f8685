"""How fast fingerprints and charts are: `python -m benchmarks.weights [--gigabytes 2] [--models 100,300,1000]`.

Reads a file of random weights in full and as a fingerprint, in one run. Compares pair tests on stored fingerprints with
MoTHer's loop over full weights. Charts synthetic trees of fingerprints of growing size. Ratios count, not seconds.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np

from ingest.formats.open_model import open_model
from ingest.weights.baselines import mother
from ingest.weights.chart import chart
from ingest.weights.fingerprints.fingerprint import Fingerprint, Sample, compute_fingerprint
from ingest.weights.fingerprints.sampling import RUN_LENGTH
from ingest.weights.parameters.sample_parameters import SAMPLE
from ingest.weights.samples.model_families import affected_families

BEGAN = datetime(2024, 1, 1, tzinfo=UTC)
"""Date of the first of synthetic models; each of the others comes a minute after the one before."""

HIDDEN, INNER = 4096, 11008


def write_large(folder: Path, gigabytes: float) -> Path:
    """Write a safetensors file of BF16 matrices of Llama 2's sides."""
    header, end, layer = {}, 0, 0
    while end < gigabytes * 1e9:
        for name, sides in (("q_proj", (HIDDEN, HIDDEN)), ("up_proj", (INNER, HIDDEN)), ("down_proj", (HIDDEN, INNER))):
            size = 2 * sides[0] * sides[1]
            entry = {"dtype": "BF16", "shape": sides, "data_offsets": (end, end + size)}
            header[f"model.layers.{layer}.mlp.{name}.weight"], end = entry, end + size
        layer += 1
    text = json.dumps(header).encode()
    rng = np.random.default_rng(0)
    block = (rng.normal(size=4_000_000).astype(np.float32) * 0.02).view(np.uint32) >> 16
    data = block.astype(np.uint16).tobytes()
    folder.mkdir()
    with (folder / "model.safetensors").open("wb") as handle:
        handle.write(len(text).to_bytes(8, "little") + text)
        for start in range(0, end, len(data)):
            handle.write(data[: end - start])
    return folder


def reading(folder: Path) -> None:
    """Compare a fingerprint with reading the whole file, both from disk: the page cache forgets it before each."""
    file = folder / "model.safetensors"
    _forget(file)
    began = time.perf_counter()
    with file.open("rb", buffering=0) as handle:
        while handle.read(1 << 24):
            pass
    whole = time.perf_counter() - began
    _forget(file)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    began = time.perf_counter()
    with open_model(folder) as model:
        compute_fingerprint(model, "large")
        took, share = time.perf_counter() - began, model.read_bytes / model.size
    more = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
    size = file.stat().st_size / 1e9
    print(
        f"{size:.1f} GB: whole file {whole:.2f} s, fingerprint {took:.3f} s, {whole / took:.0f} times as fast; "
        f"{share:.3%} of the bytes, {more:.0f} MiB of memory more"
    )


def _forget(file: Path) -> None:
    with file.open("rb") as handle:
        os.fsync(handle.fileno())
        os.posix_fadvise(handle.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def synthetic(count: int, seed: int = 0) -> list[Fingerprint]:
    """Return fingerprints of trees of about a hundred models, moved by noise of a tenth of their size."""
    rng = np.random.default_rng(seed)
    tensors = 24
    keys = rng.integers(1, 2**63, SAMPLE.fingerprint_positions, dtype=np.uint64)
    tensor = np.sort(np.arange(SAMPLE.fingerprint_positions) % tensors).astype(np.uint16)
    names = [f"layers.{place}.w" for place in range(tensors)]
    values: list[np.ndarray] = []
    made = []
    for place in range(count):
        new = place % 100 == 0
        base = None if new else values[place // 100 * 100 + int(rng.integers(0, place % 100))]
        noise = rng.normal(size=(SAMPLE.fingerprint_positions, RUN_LENGTH)).astype(np.float32)
        values.append(noise if base is None else base + np.float32(0.1) * noise)
        sample = Sample(
            keys, tensor, values[-1], np.abs(values[-1]).max(1) * 2, np.abs(values[-1]).max(1) * 1.5, names,
            ["F32"] * tensors,
        )  # fmt: skip
        date = (BEGAN + timedelta(minutes=place)).isoformat()
        made.append(Fingerprint(
            f"m{place:06d}", date, "", False, "F32", 10**9, 4 * 10**9, "k", f"{place}",
            sample,
            names, np.zeros((tensors, 5), np.float32),
        ))  # fmt: skip
    return made


def charting(counts: list[int]) -> None:
    """Time charts of growing numbers of fingerprints."""
    before = 0.0
    for count in counts:
        prints = synthetic(count)
        began = time.perf_counter()
        edges = chart(prints, None)
        took = time.perf_counter() - began
        growth = f", {took / before:.1f} times the one before" if before else ""
        print(f"{count:,} fingerprints charted in {took:.1f} s, {len(edges):,} edges{growth}")
        before = took


def inserting(count: int) -> None:
    """Time one model that comes to others: its family is found, and charted anew."""
    prints = synthetic(count + 1)
    new = {prints[count // 2].id}
    began = time.perf_counter()
    family = affected_families(prints, new)
    found = time.perf_counter() - began
    edges = chart(family, None)
    took = time.perf_counter() - began
    print(f"one into {count:,}: {took:.2f} s, {found:.2f} s to find its family of {len(family)}, {len(edges)} edges")


def pairs() -> None:
    """Compare a pair of stored fingerprints with a pair of full weights in MoTHer's way."""
    rng = np.random.default_rng(0)
    full = {f"{layer}": rng.normal(size=(HIDDEN, HIDDEN)).astype(np.float32) for layer in range(2)}
    began = time.perf_counter()
    mother.weight_distance(full, full)
    mother.directional_score(full)
    theirs = (time.perf_counter() - began) * 112
    first, second = (rng.normal(size=(SAMPLE.fingerprint_positions, RUN_LENGTH)).astype(np.float32) for _ in range(2))
    began = time.perf_counter()
    for _ in range(2000):
        float(np.square(first - second).sum())
    ours = (time.perf_counter() - began) / 2000
    print(f"one pair: {ours * 1e6:.0f} µs on fingerprints, {theirs:.1f} s on the matrices of a 7 B model in memory")
    print(f"1,000 models: {ours * 499_500:.0f} s against {theirs * 499_500 / 86400:.0f} days, loading left out")


def main() -> None:
    """Run all three."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.weights", description=__doc__)
    parser.add_argument("--gigabytes", type=float, default=2.0)
    parser.add_argument("--models", default="100,300,1000")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        reading(write_large(Path(folder) / "large", options.gigabytes))
    pairs()
    counts = [int(count) for count in options.models.split(",")]
    inserting(max(counts))
    charting(counts)


if __name__ == "__main__":
    main()
