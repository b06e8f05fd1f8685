"""Neuron permutations: the same function in another order, undone by matching neurons and heads.

Rows of the matrices into an MLP and columns of the one out of it carry one neuron each, blocks of rows of query, key
and value and of columns of the output projection one head each; renumbering them changes no output. A neuron is
matched to the one whose rows it resembles most (the matching of Ainsworth et al., arXiv 2209.04836, by nearest rows).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from hashlib import blake2b

import numpy as np

from atlas_db.core.arrays import Floats, Integers
from ingest.weights.formats.open_model import Matrix, OpenModel

UNIT_GROUPS = (
    (("mlp.gate_proj", "mlp.up_proj"), "mlp.down_proj", False),
    (("mlp.fc1",), "mlp.fc2", False),
    (("intermediate.dense",), "output.dense", False),
    (("self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj"), "self_attn.o_proj", True),
)
"""Matrices into, and out of, a group of units; and whether the units are heads."""
MAX_BYTES = 2 * 2**30
"""Models above this are not realigned: it would read every layer."""
LEAST_MATCH, LEAST_ALIKE = 0.5, 0.5
"""Cosine that units have to the ones they are matched to, and share of units that are where another order has them."""
_MATCHED_COLUMNS, _CHUNK_UNITS = 256, 1024
Permutation = Mapping[tuple[str, int], Integers]
"""Where the units of a model are taken from, by layer and place in GROUPS: the unit that comes first, second and so on.
Groups that are not named stay as they are."""


def match_units(model: OpenModel, reference: OpenModel) -> Permutation | None:
    """Return the order that puts a model's units where a reference has them.

    Returns:
        None where units do not match.
    """
    if model.size > MAX_BYTES or reference.size > MAX_BYTES:
        return None
    found: dict[tuple[str, int], Integers] = {}
    layers = sorted({name.split(".self_attn.")[0].split(".mlp.")[0] for name in model.matrices if ".mlp." in name})
    for layer in layers:
        for place, (inputs, _, heads) in enumerate(UNIT_GROUPS):
            names = [f"{layer}.{name}.weight" for name in inputs]
            if any(name not in model.matrices or name not in reference.matrices for name in names):
                continue
            matched = _match_group(model, reference, names, heads)
            if matched is None:
                return None
            found[layer, place] = matched
    return found


def compose(first: Permutation, then: Permutation) -> Permutation:
    """Return one order that does what two do, one after the other."""
    both = {key: first[key][then[key]] for key in first.keys() & then.keys()}
    return {**first, **then, **both}


def same_permutation(first: Permutation, second: Permutation) -> bool:
    """Whether two orders are one: units that drifted far may be matched wrongly, but in each group half are not."""
    return first.keys() == second.keys() and all(
        (units == second[key]).mean() >= LEAST_ALIKE for key, units in first.items()
    )


def agreement(first: Permutation, second: Permutation) -> float:
    """Return the share of units that are at the same place in two orders of the same groups, 0..1."""
    return float(np.concatenate([units == second[key] for key, units in first.items()]).mean())


def is_permuted(permutation: Permutation) -> bool:
    """Whether an order differs from the one that units have."""
    return not same_permutation(permutation, {key: np.arange(len(units)) for key, units in permutation.items()})


def permutation_id(permutation: Permutation) -> str:
    """Return a name for a permutation."""
    digest = blake2b(digest_size=8)
    for key in sorted(permutation):
        digest.update(permutation[key].tobytes())
    return digest.hexdigest()


def permute_units(model: OpenModel, permutation: Permutation) -> OpenModel:
    """Return a model with its units in another order."""
    changed = dict(model.matrices)
    for (layer, place), units in permutation.items():
        inputs, out, _ = UNIT_GROUPS[place]
        for name in inputs:
            changed[f"{layer}.{name}.weight"] = _permute_rows(model.matrices[f"{layer}.{name}.weight"], units)
        last = f"{layer}.{out}.weight"
        if last in changed and changed[last].columns == len(units):
            changed[last] = _permute_columns(model.matrices[last], units)
    return replace(model, matrices=changed)


def _match_group(model: OpenModel, reference: OpenModel, names: list[str], heads: bool) -> Integers | None:
    ours, theirs = _unit_vectors(model, names), _unit_vectors(reference, names)
    if ours.shape != theirs.shape:
        return None
    if heads:
        count = model.heads
        if not count or len(ours) % count:
            return np.arange(len(ours))
        ours, theirs = ours.reshape(count, -1), theirs.reshape(count, -1)
    best = _nearest_units(theirs, ours)
    if best is None:
        return None
    if heads:
        width = model.matrices[names[0]].rows // model.heads
        best = (best[:, None] * width + np.arange(width)).reshape(-1)
    return best


def _unit_vectors(model: OpenModel, names: list[str]) -> Floats:
    """Rows of several matrices side by side, scaled to length one, NaN as zero."""
    parts = []
    for name in names:
        matrix = model.matrices[name]
        parts.append(np.nan_to_num(matrix.read(np.arange(matrix.rows))[:, :_MATCHED_COLUMNS]))
    if len({len(part) for part in parts}) > 1:
        return parts[0]
    return np.concatenate(parts, 1)


def _nearest_units(wanted: Floats, given: Floats) -> Integers | None:
    """Return for each wanted unit the given one that is most alike, each once; None where they are not alike."""
    wanted = wanted / np.maximum(np.linalg.norm(wanted, axis=1, keepdims=True), 1e-12)
    given = given / np.maximum(np.linalg.norm(given, axis=1, keepdims=True), 1e-12)
    best, similarity = np.empty(len(wanted), np.int64), np.empty(len(wanted), np.float32)
    for start in range(0, len(wanted), _CHUNK_UNITS):
        cosines = wanted[start : start + _CHUNK_UNITS] @ given.T
        best[start : start + _CHUNK_UNITS] = cosines.argmax(1)
        similarity[start : start + _CHUNK_UNITS] = cosines.max(1)
    if float(np.median(similarity)) < LEAST_MATCH:
        return None
    order = np.full(len(wanted), -1)
    taken = np.zeros(len(given), bool)
    for unit in np.argsort(-similarity):
        if not taken[best[unit]]:
            order[unit], taken[best[unit]] = best[unit], True
    order[order < 0] = np.flatnonzero(~taken)
    return order


def _permute_rows(matrix: Matrix, order: Integers) -> Matrix:
    def read(wanted: Integers) -> Floats:
        rows = order[wanted]
        sort = np.argsort(rows)
        out = np.empty((len(rows), matrix.columns), np.float32)
        out[sort] = matrix.read(rows[sort])
        return out

    return matrix._replace(read=read)


def _permute_columns(matrix: Matrix, order: Integers) -> Matrix:
    return matrix._replace(read=lambda wanted: matrix.read(wanted)[:, order])
