"""Scores the chart family by family, whole, alone or with models left out: `python -m benchmarks.families ZOO...`.

    python -m benchmarks.families ZOO... [--view alone] [--leave-out roots|hubs|inner=.3] [--seed N] [--json FILE]

Each zoo is charted with dates and without. `--view alone` charts each model among a small core family and its own
ancestors only. `--leave-out` removes models, and counts what is right then (`benchmarks.zoo.views`). Printed by zoo:
precision, recall and F1 of typed edges, and the ECE of all guesses, next to what few edges would leave by chance. Then
come the edges at .9 and more that are right, and models by what was said of them. Then the same by kind.
"""

from __future__ import annotations

import argparse
import json
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.zoo.score import Score, prints_of, read_truth, score, total
from benchmarks.zoo.views import (
    Groups,
    common_origins,
    core_neighbours,
    draw_absent,
    only_child,
    open_truth,
    pair_counts,
    siblings,
)
from gnn.models.calibration import calibration_error
from ingest.weights.chart import chart
from ingest.weights.fingerprints.executors import local_executor
from ingest.weights.fingerprints.fingerprint import Fingerprint
from ingest.weights.samples.resample import Resampler
from ingest.weights.tree.edge import Edge

HIGH = 0.9
CHANCE_DRAWS = 200
VERDICTS = ("right", "part", "missed", "wrong", "not read")


@dataclass(slots=True)
class Found:
    """What a chart got right of one zoo, by one way of charting.

    Attributes:
        charted: Score of edges that are likelier than not.
        guessed: Score of all.
        verdicts: Models by what was said of them.
        kinds: By kind: edges found and wanted, and wrong edges.
        high: Edges at `HIGH` and more: right, right or an ancestor above an absent parent, all.
        kept: Of an open draw: true edges that the closed chart finds and that are still possible, and those found.
        pairs: Of an open draw: siblings of absent parents rightly grouped, grouped, all.
    """

    charted: Score
    guessed: Score
    verdicts: dict[str, int]
    kinds: dict[str, list[int]]
    high: list[int]
    kept: list[int] = field(default_factory=lambda: [0, 0])
    pairs: list[int] = field(default_factory=lambda: [0, 0, 0])

    @property
    def ece(self) -> float:
        """Expected calibration error of all guesses, in ten bins."""
        table = np.array(self.guessed.confidence, float).reshape(-1, 2)
        return calibration_error(table[:, 0], table[:, 1], 10)

    @property
    def chance_ece(self) -> float:
        """ECE to be expected of these confidences if they were calibrated: few edges leave some (arXiv 2012.08668)."""
        confidence = np.array(self.guessed.confidence, float).reshape(-1, 2)[:, 0]
        drawn = np.random.default_rng(0).random((CHANCE_DRAWS, len(confidence))) < confidence
        return float(np.mean([calibration_error(confidence, each, 10) for each in drawn]))

    def as_row(self) -> dict[str, Any]:
        """Return the figures by name."""
        right, grouped, wanted = self.pairs
        return {
            "precision": self.charted.precision, "recall": self.charted.recall, "f1": self.charted.f1, "ece": self.ece,
            "chance_ece": self.chance_ece,
            "high_right": self.high[0], "high_right_or_ancestor": self.high[1], "high": self.high[2],
            "verdicts": self.verdicts, "kinds": self.kinds, "kept": self.kept[1], "kept_of": self.kept[0],
            "sibling_f1": 2 * right / max(grouped + wanted, 1), "sibling_pairs": wanted,
        }  # fmt: skip


def main(arguments: Sequence[str] | None = None) -> None:
    """Score every zoo."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.families", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("zoos", type=Path, nargs="+")
    parser.add_argument("--view", choices=("whole", "alone"), default="whole")
    parser.add_argument("--leave-out", metavar="RULE", help="roots, hubs, or inner=SHARE")
    parser.add_argument("--seed", type=int, default=0, help="of what is left out")
    parser.add_argument("--json", type=Path, help="file for all figures")
    options = parser.parse_args(arguments)
    if options.view == "alone" and options.leave_out:
        parser.error("--leave-out is for whole families")
    rows: list[dict[str, Any]] = []
    every: dict[str, list[Found]] = defaultdict(list)
    print(
        f"{'zoo':16} {'models':>6}  with dates: P    R    F1  without: F1   ECE (by chance)  at .9: right   "
        f"{', '.join(VERDICTS)}"
    )
    with local_executor(many=len(options.zoos) > 1) as pool:
        jobs = [pool.submit(_score_zoo, zoo, options.view, options.leave_out, options.seed) for zoo in options.zoos]
        for zoo, job in zip(options.zoos, jobs, strict=True):
            found = job.result()
            for way, each in found.items():
                every[way].append(each)
            print(_line(zoo.name, found), flush=True)
            rows.append({"zoo": zoo.name, **{way: each.as_row() for way, each in found.items()}})
    together = {way: _together(found) for way, found in every.items()}
    print(_line("together", together))
    _print_kinds(together["dates"])
    if options.leave_out:
        _print_open(together)
    if options.json:
        rows.append({"zoo": "together", **{way: each.as_row() for way, each in together.items()}})
        options.json.write_text(json.dumps(rows, indent=1))


def _score_zoo(zoo: Path, view: str, leave_out: str | None, seed: int) -> dict[str, Found]:
    truth, prints = read_truth(zoo / "truth.json"), prints_of(zoo)
    ways = {"dates": True, "no dates": False}
    if view == "alone":
        return {way: _alone(prints, truth, time=time) for way, time in ways.items()}
    if leave_out:
        absent = draw_absent(truth, leave_out, seed)
        return {way: score_open(prints, truth, absent, time=time) for way, time in ways.items()}
    return {way: _found(chart(list(prints), Resampler(), time=time), truth, prints) for way, time in ways.items()}


def _found(
    edges: Sequence[Edge], truth: Mapping[str, Any], prints: Sequence[Fingerprint],
    lenient: Mapping[str, Any] | None = None, only: str | None = None,
) -> Found:  # fmt: skip
    """Score a chart, of one model if wanted; `lenient` is a truth that also takes ancestors above absent parents."""
    same = {item.id: item.weights_hash for item in prints}
    here = {node["id"] for node in truth["nodes"]}
    prints = [item for item in prints if item.id in here]
    charted, guessed = (score(edges, truth, same, prints, least) for least in (0.5, 0.0))
    verdicts, kinds = dict.fromkeys(VERDICTS, 0), defaultdict(lambda: [0, 0, 0])
    read = {item.id for item in prints}
    for node, (_, wrong, found, wanted) in zip(truth["nodes"], charted.children, strict=True):
        if only is not None and node["id"] != only:
            continue
        verdict = "wrong" if wrong else "right" if found == wanted else "part" if found else "missed"
        verdicts[verdict if node["id"] in read else "not read"] += 1
        kinds[node["kind"]] = [a + b for a, b in zip(kinds[node["kind"]], (found, wanted, wrong), strict=True)]
    high = [right for confidence, right in charted.confidence if confidence >= HIGH]
    kind_of = score(edges, lenient, same, prints).confidence if lenient else charted.confidence
    with_ancestors = sum(right for confidence, right in kind_of if confidence >= HIGH)
    return Found(charted, guessed, verdicts, dict(kinds), [sum(high), with_ancestors, len(high)])


def score_open(
    prints: Sequence[Fingerprint], truth: Mapping[str, Any], absent: Collection[str], *, time: bool,
    groups: Groups = common_origins,
) -> Found:  # fmt: skip
    """Score a chart of a zoo without some models.

    Args:
        prints: Fingerprints of all models.
        truth: What is true of all.
        absent: Models to leave out.
        time: Whether dates count.
        groups: Reads from the chart which models share an absent origin.
    """
    whole = chart(list(prints), Resampler(), time=time)
    closed = score(whole, truth, {item.id: item.weights_hash for item in prints}, prints)
    here = [item for item in prints if item.id not in absent]
    edges = chart(list(here), Resampler(), time=time)
    found = _found(edges, open_truth(truth, absent), here, open_truth(truth, absent, ancestors=True))
    possible = {pair for pair in closed.named if not set(pair) & set(absent)}
    found.kept = [len(possible), len(possible & found.charted.named)]
    parent = siblings(truth, absent)
    adapters = {item.id for item in here if item.adapter}
    found.pairs = pair_counts(groups(here, edges), parent, adapters)
    return found


def _alone(prints: Sequence[Fingerprint], truth: Mapping[str, Any], *, time: bool) -> Found:
    """Score each model among the core family."""
    parts = []
    for child, among in core_neighbours(truth).items():
        here = [item for item in prints if item.id in among]
        edges = [edge for edge in chart(here, Resampler(), time=time) if edge.child == child]
        parts.append(_found(edges, only_child(truth, child, among), here, only=child))
    return _together(parts)


def _together(parts: Sequence[Found]) -> Found:
    """Return the sum of several scores."""
    kinds: dict[str, list[int]] = defaultdict(lambda: [0, 0, 0])
    for part in parts:
        for kind, counts in part.kinds.items():
            kinds[kind] = [a + b for a, b in zip(kinds[kind], counts, strict=True)]
    sums = {name: np.sum([getattr(part, name) for part in parts], 0).tolist() for name in ("high", "kept", "pairs")}
    return Found(
        total([part.charted for part in parts]), total([part.guessed for part in parts]),
        {name: sum(part.verdicts[name] for part in parts) for name in VERDICTS}, dict(kinds), **sums,
    )  # fmt: skip


def _line(name: str, found: Mapping[str, Found]) -> str:
    dated, other = found["dates"], found["no dates"]
    charted, models = dated.charted, sum(dated.verdicts.values())
    counts = ", ".join(f"{dated.verdicts[verdict]}" for verdict in VERDICTS)
    return (
        f"{name:16} {models:6}         {charted.precision:.2f} {charted.recall:.2f} {charted.f1:.2f}"
        f"         {other.charted.f1:.2f}  {dated.ece:.2f} ({dated.chance_ece:.2f})    "
        f"{dated.high[0]:6} of {dated.high[2]:4}   {counts}"
    )


def _print_kinds(found: Found) -> None:
    print("\nby kind, with dates: found of wanted, wrong")
    for kind, (right, wanted, wrong) in sorted(found.kinds.items()):
        print(f"  {kind:28} {right:4} of {wanted:4}  {wrong:4}")


def _print_open(found: Mapping[str, Found]) -> None:
    for way, each in found.items():
        right, lenient, every = each.high
        grouped = each.as_row()["sibling_f1"]
        print(
            f"\n{way}: of edges at {HIGH} and more {right} of {every} right ({right / max(every, 1):.3f}); an ancestor "
            f"above an absent parent taken as right {lenient} ({lenient / max(every, 1):.3f})\n"
            f"  ECE {each.ece:.3f}; of the true edges that the closed chart finds and that are possible, "
            f"{each.kept[1]} of {each.kept[0]} found\n"
            f"  siblings of an absent parent: {each.pairs[2]} pairs, {each.pairs[1]} grouped, F1 {grouped:.3f}"
        )


if __name__ == "__main__":
    main()
