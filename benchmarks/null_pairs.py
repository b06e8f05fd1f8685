"""Whether false-alarm rates hold on pairs under the null: `python -m benchmarks.null_pairs`.

    python -m benchmarks.null_pairs roots OUT [--roots 150] [--seed 1]
    python -m benchmarks.null_pairs relatives ZOO... [--draws 20] [--seed 1]

`roots` trains models of one shape from independent starts, each on the same text, and charts them together. Every
pair is a null pair, and every edge a false alarm. The rate that `origin` states for a cosine is a p-value.
`relatives` leaves half of a zoo out, many times. Where the chosen parent is a sibling or a cousin, its false-alarm
rate is a p-value under the null. Printed is how often rates are at most some levels, with 95 % intervals. They are
those of a proportion for pairs of roots, and by bootstrap over zoos for relatives. Use zoos that
`presence_scorer.json` was not fitted on.
"""

from __future__ import annotations

import argparse
import json
import random
from collections.abc import Sequence
from itertools import repeat
from pathlib import Path

import numpy as np
import torch
from scipy.stats import binomtest

from atlas_db.core.arrays import Doubles
from atlas_db.provenance.origin_answer import nearest_models
from benchmarks.zoo import folders
from benchmarks.zoo.corpora import corpora
from benchmarks.zoo.fit_presence import Memory, NamedMerge, choices_in, draw_without
from benchmarks.zoo.nets import Shape, initial
from benchmarks.zoo.score import prints_of, read_truth
from benchmarks.zoo.training import batches, train
from ingest.weights.chart import chart
from ingest.weights.fingerprints.executors import local_executor
from ingest.weights.origins.parent_presence import load_presence_scorer
from ingest.weights.samples.resample import Resampler

LEVELS = (0.01, 0.05, 0.1)
SHAPE, STEPS, RATE = Shape(32, 2, inner=64), 120, 3e-3
RESAMPLES = 2_000


def make_root(out: Path, seed: int, at: int) -> None:
    """Train one model from a start of its own; what is there is kept."""
    folder = out / f"root-{at}"
    if (folder / "model.safetensors").exists():
        return
    torch.set_num_threads(1)
    start = initial(SHAPE, torch.Generator().manual_seed(1000 * seed + at))
    text = corpora(seed, 1)[0]
    folders.write_model(folder, train(start, SHAPE, batches(text, at), "adamw", RATE, STEPS), SHAPE, "BF16")


def roots(out: Path, count: int, seed: int) -> None:
    """Train independent roots, chart them and print false alarms."""
    out.mkdir(parents=True, exist_ok=True)
    with local_executor(many=True) as pool:
        list(pool.map(make_root, repeat(out), repeat(seed), range(count)))
    rng = random.Random(seed)
    rows = [
        {"id": f"roots/{at}", "folder": f"root-{at}", "created_at": f"2024-{rng.randint(1, 12):02}-01T00:00:00.000Z"}
        for at in range(count)
    ]
    (out / "hub.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    prints = prints_of(out)
    pairs = count * (count - 1) // 2
    for way, time in (("dates", True), ("no dates", False)):
        edges = chart(list(prints), Resampler(), time=time)
        print(
            f"{way}: {len(edges)} edges among {pairs:,} pairs of independent roots; rate below {3 / pairs:.5f} (95 %)"
        )

    rates = np.array(
        [near.false_alarm_rate for at, item in enumerate(prints) for near in nearest_models(item, prints[:at])]
    )
    for level in (0.001, *LEVELS):
        low, high = binomtest(int((rates <= level).sum()), len(rates)).proportion_ci(method="wilson")
        print(
            f"cosine, rate ≤ {level}: {(rates <= level).mean():.5f} of {len(rates):,} pairs ({low:.5f} to {high:.5f})"
        )


def relatives_of(zoo: Path, draws: int, seed: int, large: bool) -> Doubles:
    """Return false-alarm rates of chosen parents that are no ancestors, in draws of half a zoo."""
    truth, prints = read_truth(zoo / "truth.json"), prints_of(zoo)
    names = sorted(str(node["id"]) for node in truth["nodes"])
    absences = [set(random.Random(f"{seed} {at}").sample(names, len(names) // 2)) for at in range(draws)]
    content = {item.id: item.weights_hash for item in prints}
    read = Memory() if large else None
    merges: dict[tuple[str, bool], NamedMerge] = {}
    all_draws = [draw_without(truth, absent, content) for absent in (set[str](), *absences)]
    found = [choices_in(prints, draw, read, merges) for draw in all_draws][1:]
    scorer = load_presence_scorer(large)
    return np.array(
        [scorer.presence(row).false_alarm_rate for rows in found for row, is_ancestor, _ in rows if not is_ancestor]
    )


def relatives(zoos: Sequence[Path], draws: int, seed: int) -> None:
    """Print how often a false-alarm rate is at most a level, over zoos."""
    rng = np.random.default_rng(seed)
    with local_executor(many=True) as pool:
        for size, large in (("weights", True), ("fingerprint", False)):
            rates = list(pool.map(relatives_of, zoos, repeat(draws), repeat(seed), repeat(large)))
            print(f"{size}: {sum(map(len, rates)):,} pairs of siblings and cousins in {len(zoos)} zoos")
            for level in LEVELS:
                below = np.array([[(each <= level).sum(), len(each)] for each in rates])
                again = below[rng.integers(0, len(zoos), (RESAMPLES, len(zoos)))].sum(1)
                low, high = np.quantile(again[:, 0] / np.maximum(again[:, 1], 1), [0.025, 0.975])
                share = below[:, 0].sum() / max(below[:, 1].sum(), 1)
                print(f"  rate ≤ {level}: {share:.4f} of them ({low:.4f} to {high:.4f})")


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure one of both."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.null_pairs",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--seed", type=int, default=1)
    parts = parser.add_subparsers(dest="what", required=True)
    independent = parts.add_parser("roots")
    independent.add_argument("out", type=Path)
    independent.add_argument("--roots", type=int, default=150)
    related = parts.add_parser("relatives")
    related.add_argument("zoos", type=Path, nargs="+")
    related.add_argument("--draws", type=int, default=20)
    options = parser.parse_args(arguments)
    if options.what == "roots":
        roots(options.out, options.roots, options.seed)
    else:
        relatives(options.zoos, options.draws, options.seed)


if __name__ == "__main__":
    main()
