"""Parts of a network: what its tensors are called, how far models are apart there, what they carry of a trace there."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from benchmarks.zoo.fit import Placement, boosted, read_tree
from ingest.weights.formats.tensor_names import PARTS, part_of
from ingest.weights.pairwise.residual_containment import HELD, ROUGH, contained, trace
from ingest.weights.samples.aligned_samples import distances_by_part
from ingest.weights.tree.family_state import assemble
from ingest.weights.tree.parent_features import parent_features
from ingest.weights.tree.quickscorer import MAX_LEAVES
from tests.support.changes import vectors
from tests.support.families import print_of, root, trained, write

WORDS, INTO_HEADS, OUT_OF_HEADS, INTO_MLP, OUT_OF_MLP, HEAD = range(len(PARTS))


@pytest.mark.parametrize(("part", "names"), [
    (WORDS, "embed_tokens.weight wte.weight embeddings.word_embeddings.weight shared.weight"),
    (INTO_HEADS, "layers.0.self_attn.q_proj.weight encoder.layer.0.attention.self.query.weight h.0.attn.c_attn.weight "
                 "layers.0.attention.query_key_value.weight encoder.block.0.layer.0.SelfAttention.k.weight"),
    (OUT_OF_HEADS, "layers.0.self_attn.v_proj.weight encoder.layer.0.attention.output.dense.weight h.0.attn.c_proj.weight "
                   "layers.0.attention.dense.weight encoder.block.0.layer.0.SelfAttention.o.weight"),
    (INTO_MLP, "layers.0.mlp.gate_proj.weight encoder.layer.0.intermediate.dense.weight h.0.mlp.c_fc.weight "
               "layers.0.mlp.dense_h_to_4h.weight layers.0.block_sparse_moe.experts.3.w1.weight"),
    (OUT_OF_MLP, "layers.0.mlp.down_proj.weight encoder.layer.0.output.dense.weight h.0.mlp.c_proj.weight "
                 "encoder.block.0.layer.1.DenseReluDense.wo.weight layers.0.block_sparse_moe.experts.3.w2.weight"),
    (HEAD, "lm_head.weight embed_out.weight"),
    (-1, "wpe.weight layers.0.input_layernorm.weight patch_embeddings.projection.weight"),
])  # fmt: skip
def test_tensors_are_told_by_what_they_are_called(part: int, names: str) -> None:
    assert {name: part_of(name) for name in names.split()} == dict.fromkeys(names.split(), part)


def test_distances_in_a_part_are_those_of_its_tensors(tmp_path: Path) -> None:
    base = root(1)
    family = vectors(tmp_path, *((model, "F32") for model in (base, trained(base, 2), trained(base, 3, 0.3))))
    found = distances_by_part(family)
    for part in range(len(PARTS)):
        at = [start + place for start, stop, name in family.bounds if part_of(name) == part
              for place in range(stop - start)]  # fmt: skip
        apart = np.linalg.norm((family.values[0, at] - family.values[2, at]).astype(np.float64))
        assert found[0, 2, part] == pytest.approx(np.log(apart), abs=1e-4)
    assert (found == found.swapaxes(0, 1)).all()


def test_a_trace_is_carried_part_by_part(tmp_path: Path) -> None:
    """A model that has its MLPs of the child, all else of the parent."""
    base = root(1)
    near = trained(base, 2)
    half = {name: (near if ".mlp." in name else base)[name] for name in base}
    family = vectors(tmp_path, *((model, "F32") for model in (base, near, trained(half, 3, 0.05))))
    held = contained(family, trace(family, 1, 0), [2])
    assert held.shape == (1, HELD)
    shares = held[0, ROUGH + 1 :]
    assert shares[[INTO_MLP, OUT_OF_MLP]] == pytest.approx(1, abs=0.1)
    assert shares[[WORDS, INTO_HEADS, OUT_OF_HEADS, HEAD]] == pytest.approx(0, abs=0.1)


def test_for_parts_that_a_network_lacks_all_of_it_speaks(tmp_path: Path) -> None:
    base = {name: value for name, value in root(1).items() if "embed" not in name and "lm_head" not in name}
    near = trained(base, 2)
    half = {name: (near if ".mlp." in name else base)[name] for name in base}
    family = vectors(tmp_path, *((model, "F32") for model in (base, near, trained(half, 3, 0.05))))
    apart = np.linalg.norm((family.flat[0] - family.flat[2]).astype(np.float64))
    assert distances_by_part(family)[0, 2, [WORDS, HEAD]] == pytest.approx(np.log(apart), abs=1e-4)
    shares = contained(family, trace(family, 1, 0), [2])[0, ROUGH + 1 :]
    assert shares[[INTO_MLP, OUT_OF_MLP]] == pytest.approx(1, abs=0.1)
    assert shares[[INTO_HEADS, OUT_OF_HEADS]] == pytest.approx(0, abs=0.1)
    assert 0.2 < shares[WORDS] == shares[HEAD] < 0.8


def test_a_head_of_other_labels_is_no_other_size(tmp_path: Path) -> None:
    base = {name: value for name, value in root(1).items() if "lm_head" not in name}
    width = base["model.embed_tokens.weight"].shape[1]
    rng, heads = np.random.default_rng(0), {}
    for labels in (10, 33):
        head = {"classifier.weight": rng.normal(size=(labels, width)).astype(np.float32)}
        heads[labels] = print_of(write(tmp_path / str(labels), base | head))
    longer = {"model.embed_tokens.weight": root(1, vocabulary=320)["model.embed_tokens.weight"]}
    assert heads[10].elements == heads[33].elements == print_of(write(tmp_path / "body", base)).elements
    assert heads[10].elements != print_of(write(tmp_path / "longer", base | longer)).elements


def test_what_speaks_beside_traces_is_told_of_each_model(tmp_path: Path) -> None:
    base = root(1)
    near, larger = trained(base, 2, 0.02), root(1, vocabulary=320)
    grown = {
        name: value if value.shape == base[name].shape else larger[name] for name, value in trained(base, 3).items()
    }
    grown |= {name: np.concatenate([base[name], larger[name][256:]]) for name in ("model.embed_tokens.weight",)}
    made = (base, near, grown, trained(near, 4, 0.02))
    family = assemble(
        [print_of(write(tmp_path / str(at), model)) for at, model in enumerate(made)], None, use_dates=False
    )
    told = parent_features(family, 3, [0, 1, 2])
    assert told.penalties.shape == (3, 5) and told.values.shape == (3, 5 + len(PARTS))
    assert (told.penalties[:, 0] > 0).tolist() == [False, False, True], "another number of elements"
    assert (told.values[1, 5:] == 0).all(), "the nearest in every part"
    assert (told.values[0, 5:] > 0).all()


def test_trees_that_were_boosted_are_read_as_they_predict() -> None:
    """Of four possible parents the one with the largest sum of two numbers is it, but for an offset."""
    rng = np.random.default_rng(0)
    placed = []
    for _ in range(400):
        measured, against = rng.normal(size=(4, 3)), rng.normal(size=4)
        right = np.zeros(4)
        right[np.argmax(measured[:, 0] + measured[:, 2] - against)] = 1
        placed.append(Placement(measured, against, right))
    model = boosted(placed, 60)
    trees = [read_tree(tree["tree_structure"]) for tree in model.dump_model()["tree_info"]]
    assert max(sum(not left for left in tree[2]) for tree in trees) <= MAX_LEAVES

    def walked(row: np.ndarray, tree: tuple[list[int], list[float], list[int], list[int], list[float]]) -> float:
        node = 0
        while tree[2][node]:
            node = tree[2 if row[tree[0][node]] <= tree[1][node] else 3][node]
        return tree[4][node]

    rows = np.concatenate([each.measured for each in placed[:50]])
    expected = [sum(walked(row, tree) for tree in trees) for row in rows]
    assert model.predict(rows) == pytest.approx(expected, abs=0.02)  # thresholds and values are rounded
    hits = [each.right[np.argmax(model.predict(each.measured) - each.against)] for each in placed]
    assert np.mean(hits) > 0.85
