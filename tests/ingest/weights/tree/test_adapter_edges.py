"""Tests of `ingest/weights/tree/adapter_edges.py`."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from atlas_db.core.terms import Relation
from atlas_db.fusion.evidence import AdapterEvidence, ResidualEvidence
from ingest.weights.fingerprints.fingerprint import Fingerprint
from ingest.weights.tree.adapter_edges import adapter_edges
from ingest.weights.tree.edge import Edge
from tests.support.changes import adapter, copied_table
from tests.support.families import Weights, print_of, root, trained, write


def edge(child: str, parent: str) -> Edge:
    return Edge(child, parent, Relation.FINETUNE, 0.9, ResidualEvidence(containment_log_odds=0, distance=0))


def written(folder: Path, family: dict[str, Weights]) -> list[Fingerprint]:
    return [print_of(write(folder / name, weights), name, "2024-01-01") for name, weights in family.items()]


FAMILY: dict[str, Weights] = {"base": root(1)}
FAMILY |= {f"child{seed}": trained(FAMILY["base"], seed, 0.6) for seed in (2, 3, 4)}
EDGES = [edge(f"child{seed}", "base") for seed in (2, 3, 4)]


@pytest.mark.slow
@pytest.mark.parametrize("name", FAMILY)
def test_an_adapter_is_of_the_member_that_its_gradients_went_through(tmp_path: Path, name: str) -> None:
    prints = [
        *written(tmp_path, FAMILY),
        print_of(adapter(tmp_path / "of", FAMILY[name], rank=8), "adapter", "2024-02-01"),
    ]
    (found,) = adapter_edges(prints, EDGES, time=True)
    listed = {found.parent: found.confidence} | found.evidence.alternatives
    assert found.parent == name, listed
    assert isinstance(found.evidence, AdapterEvidence) and found.evidence.kind == "LoRA"
    assert found.evidence.z is not None and found.evidence.z > 8
    assert found.evidence.absent == pytest.approx(1 - sum(listed.values()), abs=0.05)


@pytest.mark.slow
def test_a_lone_candidate_is_never_certain_and_an_unrelated_one_is_none(tmp_path: Path) -> None:
    made = print_of(adapter(tmp_path / "of", FAMILY["base"], rank=8), "adapter", "2024-02-01")
    (lone,) = adapter_edges([*written(tmp_path / "lone", {"child2": FAMILY["child2"]}), made], [], time=True)
    assert lone.parent == "child2" and lone.confidence < 0.7
    assert adapter_edges([*written(tmp_path / "other", {"other": root(9)}), made], [], time=True) == []


@pytest.mark.slow
def test_a_sibling_of_other_sides_changes_no_answer(tmp_path: Path) -> None:
    prints = [*written(tmp_path, FAMILY), print_of(adapter(tmp_path / "of", FAMILY["child3"], rank=8), "adapter")]
    narrow = {name: value[:, :32] if "down" in name else value[:32] if "mlp" in name else value
              for name, value in FAMILY["base"].items()}  # fmt: skip
    shallow = {name: value for name, value in FAMILY["base"].items() if "layers.1." not in name}
    before = adapter_edges(prints, EDGES, time=True)
    after = adapter_edges([*prints, *written(tmp_path / "cut", {"shallow": shallow})], EDGES, time=True)
    assert after == before
    (found,) = adapter_edges([*prints, *written(tmp_path / "narrow", {"narrow": narrow})], EDGES, time=True)
    assert found.parent == "child3" and found.confidence == pytest.approx(before[0].confidence, abs=0.15)


@pytest.mark.slow
def test_a_copy_of_the_base_s_table_names_the_base(tmp_path: Path) -> None:
    prints = written(tmp_path, FAMILY)
    made = copied_table(adapter(tmp_path / "of", FAMILY["child2"], rank=8), FAMILY["child4"])
    (found,) = adapter_edges([*prints, print_of(made, "adapter")], EDGES, time=True)
    assert found.parent == "child4" and found.confidence > 0.95
    assert isinstance(found.evidence, AdapterEvidence) and found.evidence.equal_table is True
    rest = [item for item in prints if item.id != "child4"]
    (found,) = adapter_edges([*rest, print_of(made, "adapter")], EDGES, time=True)
    assert found.confidence < 0.1 and found.evidence.equal_table is False  # type: ignore[attr-defined]
    twin = {**FAMILY["child2"], "model.embed_tokens.weight": FAMILY["child4"]["model.embed_tokens.weight"]}
    shared = [*prints, *written(tmp_path / "twin", {"twin": twin}), print_of(made, "adapter")]
    (found,) = adapter_edges(shared, EDGES, time=True)
    assert {found.parent, *found.evidence.alternatives} == {"twin", "child4"}, "both have the table"


def test_a_base_that_is_dated_later_is_less_likely(tmp_path: Path) -> None:
    made = print_of(adapter(tmp_path / "of", FAMILY["child2"], rank=8), "adapter", "2023-06-01")
    prints = [*written(tmp_path, FAMILY), made]
    prints[0].created_at = "2023-01-01"
    (dated,) = adapter_edges(prints, EDGES, time=True)
    (undated,) = adapter_edges(prints, EDGES, time=False)
    assert dated.parent == "base" and undated.parent == "child2"


@pytest.mark.slow
def test_what_cannot_be_read_has_no_edge(tmp_path: Path) -> None:
    prints = written(tmp_path, FAMILY)
    made = adapter(tmp_path / "of", FAMILY["child2"])
    found = print_of(made, "adapter")
    (made / "adapter_model.safetensors").write_bytes(b"\x00" * 4)
    assert adapter_edges([*prints, found], EDGES, time=True) == []
    gone = [*prints[1:], print_of(adapter(tmp_path / "b", FAMILY["child2"]), "b")]
    (tmp_path / "child3" / "model.safetensors").unlink()
    (edge_of_b,) = adapter_edges(gone, EDGES, time=True)
    assert "child3" not in {edge_of_b.parent, *edge_of_b.evidence.alternatives}


def test_the_declared_base_is_believed_on_request(tmp_path: Path) -> None:
    made = print_of(adapter(tmp_path / "of", FAMILY["child2"]), "adapter")
    made.declared_base = "child3"
    (found,) = adapter_edges([*written(tmp_path, FAMILY), made], EDGES, time=True, declared=True)
    assert found.parent == "child3" and found.evidence == AdapterEvidence(declared=True)


def test_values_that_are_no_numbers_cost_their_module_alone(tmp_path: Path) -> None:
    broken = {name: value.copy() for name, value in FAMILY["child2"].items()}
    broken["model.layers.0.self_attn.v_proj.weight"][:] = np.nan
    prints = written(tmp_path, {**FAMILY, "child2": broken})
    (found,) = adapter_edges(
        [*prints, print_of(adapter(tmp_path / "of", FAMILY["child3"], rank=8), "a")], EDGES, time=True
    )
    assert found.parent == "child3"
