"""Linear merges that some tensors show: of a model with an adapter, or trained on elsewhere."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from ingest.weights.merges.by_tensor.partial_linear import PARTIAL_LINEAR
from ingest.weights.merges.merge import Merge
from tests.support.changes import low_rank, merged
from tests.support.families import Weights, root, stored, trained

DECAYED = ("gate", "up", "down")


def with_adapter(tmp_path: Path, weight: float, targets: tuple[str, ...], dtype: str = "F32") -> Merge | None:
    """Return what is found for a linear merge of rows 2 and 4, the second with an adapter, as mergekit makes it."""

    def make(name: str, base: np.ndarray, models: list[np.ndarray]) -> np.ndarray:
        first, second = (stored({name: models[at]}, dtype)[name] for at in (1, 3))  # mergekit casts its inputs
        if any(target in name for target in targets):
            rng = np.random.default_rng(len(name))
            update = rng.normal(size=(len(second), 4)) @ rng.normal(size=(4, second.shape[1]))
            second = (second + 0.2 * second.std() * update / 2).astype(np.float32)
        return (weight * first + (1 - weight) * second).astype(np.float32)

    return merged(tmp_path, make, dtype)


@pytest.mark.parametrize("targets", [("q_proj", "v_proj"), ("_proj",)], ids=["attention", "all layers"])
@pytest.mark.parametrize("dtype", ["F32", "BF16"])
@pytest.mark.parametrize("weight", [0.3, 0.63])
def test_a_part_with_an_adapter_leaves_both_parents_in_the_other_tensors(
    tmp_path: Path, targets: tuple[str, ...], dtype: str, weight: float
) -> None:
    found = with_adapter(tmp_path, weight, targets, dtype)
    assert found is not None
    assert found.method == PARTIAL_LINEAR
    assert dict(zip(found.parents, found.weights, strict=True)) == pytest.approx({2: weight, 4: 1 - weight}, abs=0.01)
    assert 0 < found.residual < 1


def test_a_merge_of_all_tensors_is_no_partial_one(tmp_path: Path) -> None:
    found = with_adapter(tmp_path, 0.4, ())
    assert found is not None and found.method == "linear"


@pytest.mark.parametrize("frozen", [(), ("embed", "lm_head"), ("mlp",)])
def test_fine_tunes_also_with_frozen_tensors_and_by_low_rank_are_none(tmp_path: Path, frozen: tuple[str, ...]) -> None:
    def make(name: str, base: np.ndarray, models: list[np.ndarray]) -> np.ndarray:
        moved = trained({name: models[2]}, 41)[name]
        moved = low_rank({name: moved}, 3, 4)[name]
        return models[2] if any(part in name for part in frozen) else moved

    assert merged(tmp_path, make) is None


def test_tensors_that_decayed_alone_show_no_merge(tmp_path: Path) -> None:
    """Nothing is routed to some experts: decay shrinks them, so that models with more of it lie on one line."""
    base = root(1)

    def decayed(name: str, factor: float, seed: int) -> np.ndarray:
        value = base[name]
        is_dead = any(part in name for part in DECAYED)
        return (value * np.float32(factor)).astype(np.float32) if is_dead else trained({name: value}, seed, 0.05)[name]

    def relative(tuned: list[Weights]) -> Weights:
        return {name: decayed(name, 0.9, 51) for name in base}

    assert merged(tmp_path, lambda n, b, m: decayed(n, 0.95, 52), relative=relative) is None
