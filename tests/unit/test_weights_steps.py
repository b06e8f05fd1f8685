"""What tells a parent from its own parent and from its children: tensors left alone, and steps carried at once."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from atlas_db.core.terms import Relation
from ingest.weights.formats.open_model import open_model
from ingest.weights.merges.merge import Merge
from ingest.weights.pairwise.adapter_base import factors, likeness
from ingest.weights.pairwise.frozen_tensors import untouched
from ingest.weights.pairwise.residual_containment import SHARE
from ingest.weights.pairwise.untrained_embeddings import ahead, unmet
from ingest.weights.samples.aligned_samples import distances
from ingest.weights.samples.resample import Rereader
from ingest.weights.tree.adapter_edges import adapter_edges
from ingest.weights.tree.edge import Edge, found_by
from ingest.weights.tree.exact_relations import differs_by_low_rank
from ingest.weights.tree.family_state import assemble
from ingest.weights.tree.incremental_tree import IncrementalTree
from ingest.weights.tree.parent_features import ParentFeatures
from ingest.weights.tree.scorer import load_scorer
from tests.support.changes import low_rank, matrices, vectors
from tests.support.charts import charted, pairs
from tests.support.families import LAYERS, TYPES, Weights, print_of, root, stored, trained, write


def frozen(weights: Weights, seed: int, size: float) -> Weights:
    """Train all but the vocabulary."""
    moved = trained(weights, seed, size)
    return {name: weights[name] if "layers" not in name else value for name, value in moved.items()}


def one_a_day(folder: Path, models: dict[str, Weights], **dtypes: str) -> list[Edge]:
    """Chart models that came day after day, as F32 unless a type is said."""
    days = enumerate(models.items(), 1)
    return charted(folder, {n: (weights, dtypes.get(n, "F32"), f"2024-01-{day:02d}") for day, (n, weights) in days})


def read(weights: Weights, seed: int, size: float, words: slice, decay: float = 0.999) -> Weights:
    """Train on data that has some of the words; the rows of all others decay."""
    moved, name = trained(weights, seed, size), "model.embed_tokens.weight"
    rows = (weights[name] * np.float32(decay)).astype(np.float32)
    rows[words] = moved[name][words]
    return {**moved, name: rows}


@pytest.mark.parametrize("dtype", ["F32", "BF16", "F16"])
def test_tensors_left_alone_are_counted_as_their_child_is_stored(tmp_path: Path, dtype: str) -> None:
    base = root(1)
    child = stored(frozen(base, 2, 0.1), dtype)
    family = vectors(tmp_path, (base, "F32"), (child, dtype), (trained(base, 3), "F32"))
    same = [np.array_equal(base[name].astype(TYPES[dtype]).astype(np.float32), child[name])
            for name in base if base[name].ndim > 1]  # fmt: skip
    shares = untouched(family)
    assert shares[1].tolist() == pytest.approx([sum(same) / len(same), 0, 0]) and sum(same) == 2
    assert shares[0, 1] == (shares[1, 0] if dtype == "F32" else 0), "rounded once more is not as it is"


def test_frozen_tensors_name_the_parent_where_its_trace_is_drowned(tmp_path: Path) -> None:
    base = root(1)
    near = trained(base, 2, 0.004)
    made = {"base": base, "near": near, "child": frozen(near, 3, 0.6), "other": trained(base, 4, 0.3)}
    edges = pairs(one_a_day(tmp_path, made))
    assert edges == {("near", "base"), ("child", "near"), ("other", "base")}


def test_words_that_training_never_met_name_the_parent_where_its_trace_is_drowned(tmp_path: Path) -> None:
    base = root(1)
    near = read(base, 2, 0.001, slice(0, 120))
    made = {"base": base, "near": near, "child": read(near, 3, 0.6, slice(100, 200)), "kin": trained(base, 4, 0.3)}
    edges = pairs(one_a_day(tmp_path, made))
    assert edges == {("near", "base"), ("child", "near"), ("kin", "base")}


@pytest.mark.parametrize("dtype", ["F32", "BF16"])
def test_rows_of_words_are_those_of_the_values_that_a_child_was_trained_from(tmp_path: Path, dtype: str) -> None:
    """The child has its parent's rows of words that it did not meet, the base's of those that neither met."""
    base = root(1)
    parent = stored(read(base, 2, 0.3, slice(0, 120)), dtype)
    child, kin = read(parent, 3, 0.3, slice(100, 200)), read(parent, 4, 0.3, slice(0, 50))
    models = {"base": base, "parent": parent, "child": child, "kin": kin, "cast": stored(parent, "F16")}
    folders = [write(tmp_path / name, weights, {"cast": "F16"}.get(name, "F32")) for name, weights in models.items()]
    bits = assemble([print_of(folder) for folder in folders], Rereader(), use_dates=False).untrained_rows[2]
    name, sizes = "model.embed_tokens.weight", []
    for model in models.values():
        whole = model[name].astype(float)
        factors = (child[name] * whole).sum(1) / np.square(whole).sum(1)
        sizes.append(int((np.abs(child[name] - factors[:, None] * whole).max(1) < 1e-6).sum()))
    assert sizes == ([56, 156, 256, 106, 0] if dtype == "F32" else [0, 156, 256, 106, 156]), "rows of the whole table"
    counts = np.unpackbits(bits, axis=1).sum(1)
    assert counts[[0, 1, 3, 4]] / counts[1] == pytest.approx(np.array(sizes)[[0, 1, 3, 4]] / 156, abs=0.08)
    told = ahead(bits)
    assert told == pytest.approx(-told.T)
    assert told[1, 3] == pytest.approx(np.sqrt(counts[1] - counts[3])) and min(told[1, 0], told[1, 3]) > 3


def test_where_no_words_were_sampled_nothing_is_compared(tmp_path: Path) -> None:
    body = {name: value for name, value in root(1).items() if "layers" in name}
    bits = unmet(vectors(tmp_path, (body, "F32"), (trained(body, 2), "F32")))
    assert bits.shape == (2, 2, 0) and not ahead(bits[0]).any()


def test_what_is_merged_of_a_model_comes_from_it(tmp_path: Path) -> None:
    """In the tree a merge hangs below one parent; it and its children are no parents of the other, nor of its base."""
    base = root(1)
    first, second = trained(base, 2), trained(base, 3)
    merge = {name: 0.7 * first[name] + 0.3 * second[name] for name in base}
    family = vectors(tmp_path, *((model, "F32") for model in (base, first, second, merge, trained(merge, 4))))
    made = Merge((1, 2), (0.7, 0.3), 0, "task_arithmetic", 0.0, 1.0)
    tree = IncrementalTree(family, distances(family), np.zeros((5, 5)), load_scorer(True), {3: made})
    for row, above in enumerate((None, None, None, 1, 3)):
        tree.add(row, above)
    assert [tree.descendants(row) for row in range(5)] == [{3, 4}, {3, 4}, {3, 4}, {4}, set()]


def test_a_sibling_with_like_drift_is_told_from_a_child(tmp_path: Path) -> None:
    """A drift of full rank leaks into every trace: alone, a step seems carried by siblings; at once, by its child."""
    base = root(1)
    drift = {name: value - base[name] for name, value in trained(base, 5, 0.2).items()}

    def moved(start: Weights, seed: int, part: float) -> Weights:
        return trained({name: value + part * drift[name] for name, value in start.items()}, seed, 0.06)

    first, second = moved(base, 6, 1.0), moved(base, 7, 1.0)
    models = (base, first, second, moved(base, 8, 1.0), moved(first, 9, 0.5))
    family = vectors(tmp_path, *((model, "F32") for model in models))
    tree = IncrementalTree(family, distances(family), np.zeros((5, 5)), load_scorer(True), {})
    for row, parent in ((0, None), (1, 0), (2, 0)):
        tree.add(row, parent)
    alone = tree.containment[1, [3, 4], SHARE]
    nothing = ParentFeatures(np.zeros((3, 5)), np.zeros((3, 11)))
    amounts = np.stack([tree.features(row, [0, 1, 2], nothing)[:, 21] for row in (3, 4)])
    assert alone[0] > 0.8, "the sibling seems to carry the step"
    assert amounts[0, 1] == pytest.approx(0.5, abs=0.15) and amounts[0, 2] == pytest.approx(0.5, abs=0.15)
    assert amounts[1, 1] > 1.1 and amounts[1, 2] < 0.4
    assert (amounts[:, 0] == 1).all(), "a root has no step"


def test_a_cast_of_a_pruned_model_is_no_second_pruning(tmp_path: Path) -> None:
    base = root(1)
    pruned = matrices(base, lambda v: np.where(np.abs(v) > np.quantile(np.abs(v), 0.4), v, 0).astype(np.float32))
    made = {"base": base, "pruned": pruned, "cast": stored(pruned, "F16"), "kin": trained(base, 2)}
    edges = {(edge.child, edge.parent): found_by(edge.evidence) for edge in one_a_day(tmp_path, made, cast="F16")}
    assert edges.pop(("kin", "base")) == "residual"
    assert edges == {("pruned", "base"): "pruned", ("cast", "pruned"): "cast"}


@pytest.mark.parametrize(("dtype", "of"), [("BF16", "base"), ("F32", "cast")])
def test_a_pruned_model_is_the_originals_unless_it_has_the_casts_own_values(
    tmp_path: Path, dtype: str, of: str
) -> None:
    base = root(1)
    made = {"base": base, "cast": base, "kin": trained(base, 2)}
    values = base if of == "base" else stored(base, "BF16")
    made["pruned"] = matrices(values, lambda v: np.where(np.abs(v) > 0.03, v, 0).astype(np.float32))
    found = next(each for each in one_a_day(tmp_path, made, cast="BF16", pruned=dtype) if each.child == "pruned")
    assert (found.parent, found_by(found.evidence)) == (of, "pruned")
    assert set(found.evidence.alternatives) == ({"cast"} if of == "base" else set())


def test_a_pruned_model_is_found_where_many_that_decayed_are_nearer(tmp_path: Path) -> None:
    base = root(1)
    pruned = matrices(base, lambda v: np.where(np.abs(v) > np.quantile(np.abs(v), 0.6), v, 0).astype(np.float32))
    shrunk = matrices(base, lambda v: (0.8 * v).astype(np.float32))
    made = {"base": base, "pruned": pruned} | {f"kin{seed}": trained(shrunk, seed) for seed in range(2, 12)}
    found = next(edge for edge in one_a_day(tmp_path, made) if edge.child == "pruned")
    assert (found.parent, found_by(found.evidence)) == ("base", "pruned")


def adapter(folder: Path, base: Weights, rank: int = 4) -> Path:
    """Make an adapter of the value matrices; its gradients came through the output matrices of a base."""
    rng, made = np.random.default_rng(7), {}
    for name, value in base.items():
        if "o_proj" in name:
            own = name.replace("o_proj", "v_proj")
            module = "base_model.model." + own.removesuffix(".weight")
            through = value.T @ rng.normal(size=(len(value), rank)) + base[own] @ rng.normal(size=(len(value), rank))
            made[f"{module}.lora_A.weight"] = rng.normal(size=(rank, len(value))).astype(np.float32)
            made[f"{module}.lora_B.weight"] = through.astype(np.float32)
    folder.mkdir()
    save_file(made, folder / "adapter_model.safetensors")
    (folder / "adapter_config.json").write_text(json.dumps({"peft_type": "LORA", "r": rank, "lora_alpha": rank}))
    return folder


def test_an_adapter_is_of_the_member_whose_gradients_it_is_made_of(tmp_path: Path) -> None:
    base, family = root(1), {"base": root(1)}
    family |= {f"child{seed}": trained(base, seed, 1.0) for seed in (2, 3, 4)}
    made = {name: write(tmp_path / name, weights) for name, weights in family.items()}
    for name, weights in family.items():
        with open_model(adapter(tmp_path / f"of-{name}", weights)) as model:
            parts = factors(model)
        assert len(parts) == LAYERS
        read = {}
        for other, folder in made.items():
            with open_model(folder) as model:
                measured = likeness(parts, model)
            assert measured is not None
            read[other] = measured[1]
        assert max(read, key=lambda other: read[other]) == name, read
    prints = [print_of(folder, name, "2024-01-01") for name, folder in made.items()]
    prints.append(print_of(tmp_path / "of-child2", "adapter", "2024-02-01"))
    (edge,) = adapter_edges(
        prints, [Edge(f"child{seed}", "base", Relation.FINETUNE, 0.9, {}) for seed in (2, 3, 4)], time=True
    )
    told = {edge.parent: edge.confidence} | edge.evidence.alternatives
    assert told.keys() == made.keys() and max(told.values()) == edge.confidence
    assert sum(told.values()) == pytest.approx(1, abs=0.01)


def test_what_differs_by_a_low_rank_is_put_together_of_nothing(tmp_path: Path) -> None:
    base = root(1)
    models = (base, low_rank(base, 2, 2), trained(base, 3))
    prints = [print_of(write(tmp_path / str(place), weights), str(place)) for place, weights in enumerate(models)]
    family = assemble(prints, Rereader(), use_dates=False)
    ties, mean = (Merge((0, 2), (0.5, 0.5), None, method, 0.1, 0.9) for method in ("ties", "linear"))
    assert differs_by_low_rank(family, 1, ties, [0, 2]) and not differs_by_low_rank(family, 1, mean, [0, 2])
    assert not differs_by_low_rank(family, 2, ties._replace(parents=(0, 1)), [0, 1])
