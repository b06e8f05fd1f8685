"""One run over public test sets: locate, fingerprint, chart, compare, write."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import msgspec

from atlas_db.core.errors import InputError, UsageError
from atlas_db.core.files import write_whole
from benchmarks.real.locate import Located, Size, locate, measure_size
from benchmarks.real.measure import Charted, SetResult, measure
from benchmarks.real.public_sets import ListedModel, PublicSet, chosen_sets
from benchmarks.real.show import show_results, show_sizes
from ingest.weights.chart import chart
from ingest.weights.fingerprints.batch import fingerprint_all
from ingest.weights.fingerprints.fingerprint import Fingerprint
from ingest.weights.fingerprints.http_range import SCHEME
from ingest.weights.fingerprints.parquet import read_fingerprints
from ingest.weights.samples.resample import Resampler
from ingest.weights.tree.edge import write_lines

PART_MODELS = 16
"""Models whose fingerprints are written at once: what an interruption costs at most."""
REMOTE_THREADS = 8


class ModelLine(msgspec.Struct, omit_defaults=True):
    """What became of one model.

    Attributes:
        id: Its id.
        sets: Sets that list it.
        location: Where its weights were read, with the commit where it was read from the Hub.
        revision: Commit, or digest of its files' names, sizes and times.
        weights_hash: Hash of names, shapes and sampled values.
        same_as: Id under which it was charted, where two ids name one repository.
        absent: Why it was left out.
    """

    id: str
    sets: list[str]
    location: str = ""
    revision: str = ""
    weights_hash: str = ""
    same_as: str = ""
    absent: str = ""


@dataclass(frozen=True, slots=True)
class Options:
    """What to run.

    Attributes:
        known: All sets that were read.
        names: Names of the sets to run; all where empty.
        folders: Folders of models.
        hub: Whether the Hub is asked.
        out: Folder of what is written.
        min_confidence: Confidence below which the chart abstains.
        time: Whether dates are evidence.
        json: Whether results are printed as JSON.
    """

    known: list[PublicSet]
    names: list[str]
    folders: list[Path]
    hub: bool
    out: Path
    min_confidence: float
    time: bool
    json: bool


def dry_run(options: Options) -> dict[str, Size]:
    """Print what a run would read. Headers are read, no weights.

    Raises:
        UsageError: Neither a folder nor the Hub is named, or a set is unknown.
        InputError: A folder holds no weights.
        HubError: The Hub does not answer at all.
    """
    models, found = _located(options)
    sizes = {}
    for done, (id, item) in enumerate(sorted(found.files.items())):
        show_progress("Headers", done, len(found.files))
        sizes[id] = measure_size(item)
    show_sizes(sizes, found, len(models), as_json=options.json)
    return sizes


def run(options: Options) -> list[SetResult]:
    """Fingerprint, chart and compare; write fingerprints, chart, results and what became of each model.

    Raises:
        UsageError: Neither a folder nor the Hub is named, or a set is unknown.
        InputError: A folder holds no weights, or none of the models is here.
        HubError: The Hub does not answer at all.
    """
    models, found = _located(options)
    options.out.mkdir(parents=True, exist_ok=True)
    prints = _fingerprinted(found, options.out / "fingerprints.parquet")
    write_lines(_model_lines(options, models, found, prints), options.out / "models.jsonl")
    if not prints:
        raise InputError(
            f"none of the {len(models)} models can be read", hint=f"See the reasons in {options.out / 'models.jsonl'}"
        )
    local = any(not item.location.startswith(SCHEME) for item in prints)
    edges = chart(prints, Resampler() if local else None, time=options.time, progress=show_progress)
    write_lines(edges, options.out / "edges.jsonl")
    charted = Charted(prints, edges, found.same, options.min_confidence)
    results = measure(chosen_sets(options.known, options.names), options.known, charted)
    write_whole(options.out / "results.json", msgspec.json.format(msgspec.json.encode(results), indent=1) + b"\n")
    show_results(results, found, len(models), as_json=options.json)
    return results


def _fingerprinted(found: Located, file: Path) -> list[Fingerprint]:
    """Return the fingerprints of located models, and note those that fail; each part is on disk before the next."""
    items = list(found.files.values())
    for start in range(0, len(items), PART_MODELS):
        part = items[start : start + PART_MODELS]
        # Requests wait for the network: threads more than cores.
        remote = any(item.folder.startswith(SCHEME) for item in part)
        executor = ThreadPoolExecutor(REMOTE_THREADS) if remote else None
        report = fingerprint_all(
            part, file, lambda stage, done, _, at=start: show_progress(stage, at + done, len(items)), executor=executor
        )
        found.absent |= report.failed
    if not items:
        return []
    return [item for item in read_fingerprints([file]) if item.id in found.files and item.id not in found.absent]


def _located(options: Options) -> tuple[dict[str, ListedModel], Located]:
    if not options.folders and not options.hub:
        raise UsageError("no place to read weights from", hint="Add --models FOLDER, --hub, or both")
    chosen = chosen_sets(options.known, options.names)
    models = {model.id: model for each in chosen for model in each.models}
    return models, locate(models, options.folders, hub=options.hub, progress=show_progress)


def _model_lines(
    options: Options, models: Mapping[str, ListedModel], found: Located, prints: list[Fingerprint]
) -> Iterator[dict[str, object]]:
    made = {item.id: item for item in prints}
    for id in sorted(models):
        sets = [each.name for each in options.known if any(model.id == id for model in each.models)]
        line = ModelLine(id, sets, same_as=found.same.get(id, ""), absent=found.absent.get(id, ""))
        if (item := made.get(found.same.get(id, id))) is not None:
            line.location, line.revision, line.weights_hash = item.location, item.revision, item.weights_hash
        yield msgspec.to_builtins(line)


def show_progress(stage: str, done: int, total: int) -> None:
    """Write a line of progress for people, over the last one."""
    if sys.stderr.isatty():
        print(f"\r{stage} {done:,} of {total:,}\033[K", end="" if done < total else "\n", file=sys.stderr, flush=True)
