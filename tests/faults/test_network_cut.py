"""The line is cut at random bytes of answers, in `fetch` and in range reads: the same result, or a plain refusal."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import zstandard

from atlas_db.core.errors import HubError
from ingest.hub import api_listing
from ingest.weights.fingerprints.batch import fingerprint_all
from ingest.weights.fingerprints.model_files import find_models
from ingest.weights.fingerprints.parquet import read_fingerprints
from tests.support.families import print_of, root, write
from tests.support.hub_server import HubServer, serving

ROWS = [{"id": f"own/m{n}", "tags": ["license:mit"], "createdAt": f"2024-01-{n % 28 + 1:02d}"} for n in range(1000)]
pytestmark = pytest.mark.slow
SEEDS = range(3)
CUTS = 12


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[HubServer]:
    write(tmp_path / "repos" / "own" / "m", root(1), "BF16", shards=3)
    with serving(tmp_path / "repos", monkeypatch) as server:
        server.listed = [dict(row) for row in ROWS]
        yield server


def _cuts(seed: int, longest: int) -> list[int]:
    """Return where lines are cut; whole answers between them, so that no request runs out of tries."""
    rng = random.Random(seed)
    return [cut for _ in range(CUTS) for cut in (rng.randrange(-1, longest), 2**40)]


def _fetched(folder: Path) -> list[str]:
    pages = [zstandard.decompress(page.read_bytes()) for page in sorted((folder / "pages").glob("*.zst"))]
    return [json.loads(line)["id"] for page in pages for line in page.splitlines()]


@pytest.mark.parametrize("seed", SEEDS)
def test_a_listing_whose_line_is_cut_is_whole(hub: HubServer, tmp_path: Path, seed: int) -> None:
    hub.cuts = _cuts(seed, 6000)
    state = api_listing.fetch(tmp_path / "out", sleep=lambda _: None)
    assert (state.complete, state.rows) == (True, len(ROWS))
    assert _fetched(tmp_path / "out") == [row["id"] for row in ROWS]
    assert len(hub.cuts) < 2 * CUTS - 8, "lines were cut"


def test_a_listing_goes_on_after_the_line_was_dead(hub: HubServer, tmp_path: Path) -> None:
    hub.cuts = [0] * 50 + [2**40] * 4
    with pytest.raises(HubError, match="Run the same command again later"):
        api_listing.fetch(tmp_path / "out", sleep=lambda _: None)
    assert len(_fetched(tmp_path / "out")) == 400
    hub.cuts = []
    api_listing.fetch(tmp_path / "out", sleep=lambda _: None)
    assert _fetched(tmp_path / "out") == [row["id"] for row in ROWS]


@pytest.mark.parametrize("seed", SEEDS)
def test_a_fingerprint_whose_line_is_cut_is_that_of_the_files(hub: HubServer, tmp_path: Path, seed: int) -> None:
    found, out, store = find_models([Path("own/m")]), tmp_path / "fp.parquet", hub.other
    assert store is not None
    store.cuts = _cuts(seed, 300)
    assert not fingerprint_all(found, out, lambda *_: None).failed
    assert not store.cuts, "all lines were cut"
    (item,) = read_fingerprints([out])
    local = print_of(hub.folder / "own" / "m")
    assert item.weights_hash == local.weights_hash
    np.testing.assert_array_equal(item.sample.values, local.sample.values)


def test_a_model_whose_line_is_dead_is_set_aside_and_made_the_next_time(hub: HubServer, tmp_path: Path) -> None:
    found, out, store = find_models([Path("own/m")]), tmp_path / "fp.parquet", hub.other
    assert store is not None
    store.cuts = [0] * 1000
    report = fingerprint_all(found, out, lambda *_: None)
    assert report.made == 0
    ((name, reason),) = report.failed.items()
    assert name == "own/m" and "keeps failing" in reason
    store.cuts = []
    assert fingerprint_all(find_models([Path("own/m")]), out, lambda *_: None).made == 1
