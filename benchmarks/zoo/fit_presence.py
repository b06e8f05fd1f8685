"""Fit whether a chosen parent is one: `python -m benchmarks.zoo.fit_presence ZOO... --out presence_scorer.json`.

    python -m benchmarks.zoo.fit_presence [ZOO...] --choices FILE.parquet --out presence_scorer.json

What is measured of each choice is kept in FILE, so that the fit can be made again without the zoos. Zoos that are given
are added to it, or take the place of those of the same name.

The package reads `ingest/weights/origins/data/presence_scorer.json`. Each zoo is charted several times: whole, without
its roots, without three tenths of its inner models, without both, and without half of all models. Each is charted with
dates and without. Merges are searched in the whole, and count wherever their inputs are. A choice is right if it is a
true parent, or has the same weights as one up to casts, quantization and permutation. It is an ancestor if it is right,
or if only absent models lie between. Two ensembles of boosted trees are fitted: ancestor or not, and parent or further
ancestor. Zoos are left out in turn for the metrics.
"""

from __future__ import annotations

import argparse
import json
import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import repeat
from pathlib import Path
from typing import Any, NamedTuple

import lightgbm
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from atlas_db.core.arrays import Doubles, Flags
from atlas_db.core.files import replacing
from benchmarks.zoo.fit import read_tree
from benchmarks.zoo.score import prints_of, read_truth
from benchmarks.zoo.views import draw_absent, open_truth
from gnn.models.calibration import calibration_error
from ingest.weights.family_chart import build_tree
from ingest.weights.fingerprints.executors import local_executor
from ingest.weights.fingerprints.fingerprint import Fingerprint
from ingest.weights.merges.merge import Merge
from ingest.weights.origins.parent_presence import FEATURES, VERSION, presence_features
from ingest.weights.samples.model_families import chart_units, related_families
from ingest.weights.samples.resample import Resampler
from ingest.weights.tree.exact_relations import build_family_state, combined_state, find_copies
from ingest.weights.tree.family_state import (
    FamilySamples,
    FamilyState,
    exact_duplicates,
    load_samples,
    run_pair_tests,
)
from ingest.weights.tree.subtree_moves import swap_parent_child

INNER_SHARE, DRAWS, ROUNDS, QUANTILES = 0.3, 2, 200, 400
BOOSTING = {
    "objective": "binary", "learning_rate": 0.03, "num_leaves": 8, "min_data_in_leaf": 60, "lambda_l2": 10.0,
    "feature_fraction": 0.5, "bagging_fraction": 0.7, "bagging_freq": 1, "seed": 0, "deterministic": True,
    "num_threads": 1, "verbose": -1,
}  # fmt: skip
FALLING = frozenset({
    "equal_against", "equal_against_ratio", "least_path_cosine", "second_path_cosine", "greatest_tensor_path_cosine",
})  # fmt: skip
"""Features that never speak for an ancestor the more of them there is: constraints that hold outside the zoos."""
Choice = tuple[Doubles, bool, bool]
"""Features of a chosen parent, whether it is an ancestor, and whether it is the parent."""
CHOICES_A_ZOO = 200.0
SIZES = ("weights", "fingerprint")
"""Sizes of samples: read from the weights, or those of fingerprints."""
ISOTROPIC_SHARE = 1.5
"""Weight of a zoo of isotropic steps: two of them stand for all trainings whose steps have nothing in common."""
NamedMerge = tuple[Merge, list[str]]
"""A merge, and the ids of the rows that it names."""
RISING = frozenset({"precedence_log_odds", "dated_earlier", "choice_log_odds"})


class Choices(NamedTuple):
    """Chosen parents of one zoo's draws.

    Attributes:
        features: Shape (n, 27), columns `FEATURES`.
        ancestor: Whether the choice is an ancestor, shape (n,).
        direct: Whether it is the parent, shape (n,).
        share: Weight of the zoo in the fit.
    """

    features: Doubles
    ancestor: Flags
    direct: Flags
    share: float


class Draw(NamedTuple):
    """What is true of a zoo with some models left out.

    Attributes:
        absent: Models that are left out.
        parents: Pairs of child and parent, or what stands for the parent.
        ancestors: The same, and the nearest ancestors that are there.
        content: Content of each model.
    """

    absent: set[str]
    parents: set[tuple[str, str]]
    ancestors: set[tuple[str, str]]
    content: dict[str, str]

    def holds(self, pairs: set[tuple[str, str]], child: str, other: str) -> bool:
        """Whether a model, or an exact copy of it, is in such a pair with a child."""
        mine = {parent for at, parent in pairs if at == child}
        return other in mine or self.content[other] in {self.content.get(parent) for parent in mine}


def draws_of(truth: Mapping[str, Any], prints: Sequence[Fingerprint], seed: int) -> Iterator[Draw]:
    """Yield draws: whole, without roots, without inner models, without both, without half of all models."""
    everything = {str(node["id"]) for node in truth["nodes"]}
    roots = draw_absent(truth, "roots", seed)
    absences = [set[str](), roots]
    for at in range(DRAWS):
        inner = draw_absent(truth, f"inner={INNER_SHARE}", seed + at)
        half = set(random.Random(seed + at).sample(sorted(everything), len(everything) // 2))
        absences += [inner, inner | roots, half]
    content = {item.id: item.weights_hash for item in prints}
    return (draw_without(truth, absent, content) for absent in absences)


def draw_without(truth: Mapping[str, Any], absent: set[str], content: dict[str, str]) -> Draw:
    """Return what is true of a zoo without some models; `content` is that of each model."""
    parents, ancestors = (
        {(edge["child"], edge["parent"]) for edge in open_truth(truth, absent, ancestors=each)["edges"]}
        for each in (False, True)
    )
    return Draw(absent, parents, ancestors, content)


class Memory(Resampler):
    """Reads every sample once, as the same models come in every draw."""

    def sample(self, fingerprint: Fingerprint, permutation: Any = None) -> Any:  # noqa: ANN401
        """Return the sample, from memory where units stay as they are."""
        if permutation is not None:
            return super().sample(fingerprint, permutation)
        if fingerprint.id not in _SAMPLES:
            _SAMPLES[fingerprint.id] = super().sample(fingerprint)
        return _SAMPLES[fingerprint.id]


_SAMPLES: dict[str, Any] = {}


def choices_of(path: Path, large: bool) -> Choices:
    """Return the choices in all draws of a zoo."""
    prints = prints_of(path)
    truth = read_truth(path / "truth.json")
    read = Memory() if large else None
    merges: dict[tuple[str, bool], NamedMerge] = {}
    rows = [row for draw in draws_of(truth, prints, len(prints)) for row in choices_in(prints, draw, read, merges)]
    features, ancestor, direct = (list(column) for column in zip(*rows, strict=True))
    share = ISOTROPIC_SHARE if truth["scenario"] == "isotropic" else 1.0
    return Choices(np.array(features), np.array(ancestor, bool), np.array(direct, bool), share)


def choices_in(
    prints: Sequence[Fingerprint], draw: Draw, read: Resampler | None, merges: dict[tuple[str, bool], NamedMerge]
) -> list[Choice]:
    """Return the choices in one draw, with dates and without.

    Args:
        prints: Fingerprints of all models.
        draw: What is true of those that are kept.
        read: Reads large samples; None where fingerprints alone are compared.
        merges: Merges of the whole family, by id and whether dates count; filled where the family is whole.
    """
    rows: list[Choice] = []
    kept = [item for item in prints if item.id not in draw.absent and not item.adapter]
    for part in related_families(kept):
        family = [kept[place] for place in part]
        for unit in chart_units(family) if len(family) > 1 else ():
            members = [family[place] for place in unit.members]
            own = {family[place].id for place in unit.children}
            tensors = {name for place in unit.children for name in family[place].sample.names}
            for time in (True, False):
                samples = load_samples(members, read, use_dates=time, tensors=tensors)
                if len(samples.fingerprints) > 1:
                    state = _state_of(samples, merges, is_whole=not draw.absent, time=time)
                    rows += _choices(state, own, draw)
    return rows


def _state_of(
    samples: FamilySamples, merges: dict[tuple[str, bool], NamedMerge], *, is_whole: bool, time: bool
) -> FamilyState:
    """Return the state of a family. Merges are searched in a whole one; in others they are those of the whole.

    Args:
        samples: The family.
        merges: Merges of the whole family, by id and whether dates counted; filled where the family is whole.
        is_whole: Whether no model is left out.
        time: Whether dates count.
    """
    tests = run_pair_tests(samples)
    ids = [item.id for item in samples.fingerprints]
    if is_whole:
        state = build_family_state(samples, tests)
        merges |= {(ids[row], time): (merge, ids) for row, merge in state.relations.merges.items()}
        return state
    place = {id: row for row, id in enumerate(ids)}
    found: dict[int, Merge] = {}
    copies = find_copies(samples)
    for id, row in place.items():
        if (id, time) in merges and copies.duplicate_of[row] == row:
            merge, known = merges[id, time]
            if all(known[each] in place for each in merge.inputs):
                parents = tuple(place[known[each]] for each in merge.parents)
                found[row] = merge._replace(
                    parents=parents, base=None if merge.base is None else place[known[merge.base]]
                )
    left = {row: copy for row, copy in copies.copies.items() if row not in found}
    return combined_state(samples, tests, replace(copies, copies=left, merges=found))


def _choices(family: FamilyState, own: set[str], draw: Draw) -> Iterator[Choice]:
    tree = build_tree(family)
    swap_parent_child(family, tree)
    for row, choice in tree.choices.items():
        child = family.model_id(row)
        same = [family.model_id(other) for other in exact_duplicates(family.relations.duplicate_of, choice.parent)]
        # Units of a permuted copy are matched but in part; its distances are no distances of training.
        if child in own and family.samples.permutation_id[choice.parent] == family.samples.permutation_id[row]:
            direct, ancestor = (
                any(draw.holds(pairs, child, parent) for parent in same) for pairs in (draw.parents, draw.ancestors)
            )
            yield presence_features(family, tree, row, choice), ancestor, direct


def boosted(features: Doubles, labels: Flags, weights: Doubles) -> lightgbm.Booster:
    """Fit boosted trees to whether something holds."""
    signs = [(name in RISING) - (name in FALLING) for name in FEATURES]
    options = {**BOOSTING, "monotone_constraints": signs}
    return lightgbm.train(options, lightgbm.Dataset(features, labels.astype(float), weight=weights), ROUNDS)


def fit(zoos: Sequence[Choices]) -> tuple[dict[str, Any], dict[str, float]]:
    """Fit both ensembles; return them, and metrics on zoos left out."""
    null, stated, right, ancestors, shares = [], [], [], [], []
    for at, zoo in enumerate(zoos):
        rest = [each for place, each in enumerate(zoos) if place != at]
        above, direct = _fitted(rest or zoos)
        scores = np.asarray(above.predict(zoo.features, raw_score=True))
        null.append(scores[~zoo.ancestor])
        shares.append(np.full(len(null[-1]), zoo.share / max(len(null[-1]), 1)))
        ancestors.append((1 / (1 + np.exp(-scores)), zoo.ancestor))
        stated.append(np.asarray(above.predict(zoo.features)) * np.asarray(direct.predict(zoo.features)))
        right.append(zoo.direct)
    chance, is_right = np.concatenate(stated), np.concatenate(right)
    on_path, is_above = (np.concatenate(side) for side in zip(*ancestors, strict=True))
    high = chance >= 0.9
    by_zoo = [calibration_error(given, truly.astype(float), 10) for given, truly in ancestors]
    metrics = {
        "left_out_ece": calibration_error(chance, is_right.astype(float), 10),
        "left_out_ece_ancestor": calibration_error(on_path, is_above.astype(float), 10),
        "left_out_ece_ancestor_by_zoo": float(np.average(by_zoo, weights=[zoo.share for zoo in zoos])),
        "left_out_right_from_0.9": float(is_right[high].mean()) if high.any() else 1.0,
        "left_out_ancestor_from_0.9": float(is_above[on_path >= 0.9].mean()) if (on_path >= 0.9).any() else 1.0,
        "left_out_share_from_0.9": float((high & is_right).sum() / is_right.sum()),
        "left_out_share_from_0.5": float(((chance >= 0.5) & is_right).sum() / is_right.sum()),
        "choices": float(len(chance)), "null_pairs": float(sum(map(len, null))),
    }  # fmt: skip
    above, direct = _fitted(zoos)
    quantiles = np.quantile(
        np.concatenate(null), np.linspace(0, 1, QUANTILES), weights=np.concatenate(shares), method="inverted_cdf"
    )
    both = [[read_tree(tree["tree_structure"]) for tree in each.dump_model()["tree_info"]] for each in (above, direct)]
    gains = sorted(zip(FEATURES, above.feature_importance("gain").tolist(), strict=True), key=lambda pair: -pair[1])
    print({name: round(value, 4) for name, value in metrics.items()}, [(a, round(b)) for a, b in gains], flush=True)
    fitted = {"ancestor": both[0], "direct": both[1], "null": [round(float(each), 4) for each in quantiles]}
    return fitted, metrics


def _fitted(zoos: Sequence[Choices]) -> tuple[lightgbm.Booster, lightgbm.Booster]:
    """Fit both ensembles. Zoos count equally, whatever their size, but for the isotropic ones."""
    features, ancestor, direct = (np.concatenate([each[at] for each in zoos]) for at in range(3))
    weights = np.concatenate(
        [np.full(len(each.direct), CHOICES_A_ZOO * each.share / len(each.direct)) for each in zoos]
    )
    return boosted(features, ancestor, weights), boosted(features[ancestor], direct[ancestor], weights[ancestor])


def keep_choices(file: Path, measured: Mapping[tuple[str, str], Choices]) -> dict[tuple[str, str], Choices]:
    """Write the choices of zoos to a file, with those that it holds already, and return them all.

    Args:
        file: Parquet file, a row a choice; made where it is not there.
        measured: Choices by name of the zoo and size of samples.
    """
    all_choices = (read_choices(file) if file.exists() else {}) | dict(measured)
    tables = [
        pa.table({
            "zoo": pa.array([zoo] * len(each.direct)), "samples": pa.array([size] * len(each.direct)),
            "share": np.full(len(each.direct), each.share), "ancestor": each.ancestor, "direct": each.direct,
            **dict(zip(FEATURES, each.features.astype(np.float32).T, strict=True)),
        })
        for (zoo, size), each in sorted(all_choices.items())
    ]  # fmt: skip
    with replacing(file) as partial:
        pq.write_table(pa.concat_tables(tables), partial, compression="zstd", compression_level=19)
    return read_choices(file)


def read_choices(file: Path) -> dict[tuple[str, str], Choices]:
    """Return the choices that `keep_choices` wrote, by name of the zoo and size of samples."""
    table = pq.read_table(file)
    found = {}
    for zoo, size in sorted(set(zip(table["zoo"].to_pylist(), table["samples"].to_pylist(), strict=True))):
        rows = table.filter((pc.field("zoo") == zoo) & (pc.field("samples") == size))
        columns = [rows[name].to_numpy().astype(np.float64) for name in FEATURES]
        ancestor, direct = (rows[name].to_numpy() for name in ("ancestor", "direct"))
        found[zoo, size] = Choices(np.stack(columns, 1), ancestor, direct, rows["share"][0].as_py())
    return found


def main() -> None:
    """Measure, fit and write."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.zoo.fit_presence", description=__doc__)
    parser.add_argument("zoos", type=Path, nargs="*")
    parser.add_argument("--choices", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    measured = {}
    with local_executor(many=True) as pool:
        for size in SIZES:
            found = pool.map(choices_of, options.zoos, repeat(size == "weights"))
            measured |= {(path.name, size): each for path, each in zip(options.zoos, found, strict=True)}
    kept = keep_choices(options.choices, measured)
    zoos = sorted({zoo for zoo, _ in kept})
    fits = {size: fit([kept[zoo, size] for zoo in zoos]) for size in SIZES}
    fitted = {
        "version": VERSION,
        "features": FEATURES,
        "fitted_on": f"generated families: {', '.join(zoos)}",
        "metrics": {
            f"{size}.{name}": round(value, 4) for size, (_, found) in fits.items() for name, value in found.items()
        },
        "samples": {size: models for size, (models, _) in fits.items()},
    }
    options.out.parent.mkdir(exist_ok=True)
    options.out.write_text(json.dumps(fitted, separators=(",", ":")) + "\n")


if __name__ == "__main__":
    main()
