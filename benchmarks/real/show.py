"""What a run over public test sets prints, as text or as JSON."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

import msgspec

from benchmarks.real.locate import Located, Size
from benchmarks.real.measure import CONFIDENT, MAX_FALSE_ALARMS, PairCounts, SetResult
from benchmarks.real.public_sets import PublicSet
from benchmarks.zoo.score import share_of
from ingest.weights.fingerprints.http_range import SCHEME

GIB = 2**30


def show_counts(sets: Sequence[PublicSet], folder: Path) -> None:
    """Print what was read of each set, and where it lies now."""
    for each in sets:
        counts = ", ".join(f"{number:,} {name}" for name, number in each.counts().items())
        print(f"{each.name:<10} {counts}; {each.repository} at {each.commit[:7]}, licence: {each.license}")
    print(f"written to {folder}")


def show_sizes(sizes: Mapping[str, Size], found: Located, listed: int, *, as_json: bool) -> None:
    """Print what a run would read."""
    if as_json:
        print(msgspec.json.encode({"models": sizes, "absent": found.absent, "same": found.same}).decode())
        return
    for id, size in sizes.items():
        print(f"{id:<72} {size.problem or f'{size.weights / GIB:9.2f} GiB'}")
    whole, headers = (sum(getattr(size, name) for size in sizes.values()) for name in ("weights", "headers"))
    print(
        f"\n{len(sizes):,} of {listed:,} models are here, {whole / GIB:,.1f} GiB of weights, of which samples are read"
    )
    print(f"headers read now: {headers / 2**20:,.1f} MiB")
    _show_absent(found)


def show_results(results: Sequence[SetResult], found: Located, listed: int, *, as_json: bool) -> None:
    """Print results."""
    if as_json:
        print(msgspec.json.encode({"sets": results, "absent": found.absent, "same": found.same}).decode())
        return
    for each in results:
        _show_set(each)
    print()
    renamed = f", {len(found.same)} of them under another name" if found.same else ""
    print(f"{listed - len(found.absent):,} of {listed:,} models were read{renamed}")
    _show_absent(found)


def _show_absent(found: Located) -> None:
    if found.absent:
        print(f"{len(found.absent):,} models were left out:")
        for reason, number in Counter(_kind_of(id, reason) for id, reason in found.absent.items()).most_common():
            print(f"  {number:>4}  {reason}")


def _kind_of(id: str, reason: str) -> str:
    """Return a reason without the model's own name, so that equal reasons are counted together."""
    return re.sub(rf"(?:{SCHEME})?{re.escape(id)}(?:@\w+)?(?:/\S+)?", "…", reason).split("\n")[0][:160]


def _show_set(result: SetResult) -> None:
    print(f"\n{result.name}: {result.here} of {result.models} models are here")
    if result.edges:
        print("  edges                     stated  possible  parent right  relation right  reversed  other  abstained")
    for name, counts in sorted(result.edges.items()):
        print(
            f"  {name:<25} {counts.stated:6d} {counts.possible:9d}  {_share(counts.parent, counts.possible):<12}  "
            f"{_share(counts.relation, counts.typed):<14} {counts.reversed:9d} {counts.other:6d} {counts.abstained:10d}"
        )
    given, right, confident, confident_right = result.given
    if given or result.without_parent:
        joined = sum(counts.parent for counts in result.edges.values())
        turned = sum(counts.reversed for counts in result.edges.values())
        print(f"  direction right: {share_of(joined, joined + turned)}")
        print(f"  edges given to children with a parent here: {share_of(right, given)} right")
        print(f"  of these at {CONFIDENT} and more: {share_of(confident_right, confident)} right")
        with_parent, without = result.absent_origin
        print(f"  edges given to children without one: {result.without_parent}")
        print(f"  children given an origin that is not here: {without} without a parent here, {with_parent} with one")
    if any(counts.here for counts in (*result.related.values(), *result.independent.values())):
        print(f"  {'pairs':<58} stated   here  comparable  common origin")
    for label, kinds in (("related", result.related), ("independent", result.independent)):
        for name, each in sorted(kinds.items()):
            _show_pairs(f"{label}: {name}", each)
    if result.disputed:
        print(f"  {result.disputed} independent pairs were left out: another set relates their families")
    if result.auc is not None and result.tpr is not None:
        related, independent = result.compared
        alarms = int(MAX_FALSE_ALARMS * independent)
        print(
            f"  similarity of {related:,} related and {independent:,} independent pairs: AUC {result.auc:.3f}; "
            f"related pairs found at {MAX_FALSE_ALARMS:.0%} false alarms ({alarms:,} pairs): {result.tpr:.3f}"
        )


def _show_pairs(label: str, counts: PairCounts) -> None:
    print(
        f"  {label:<58} {counts.stated:6,d} {counts.here:6,d} {counts.comparable:11,d}  "
        f"{_share(counts.joined, counts.here)}"
    )


def _share(part: int, whole: int) -> str:
    return f"{part} ({part / whole:.2f})" if whole else "-"
