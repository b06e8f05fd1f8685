"""Permutation alignment: neurons and attention heads matched between two models.

Permuting the hidden units of a network does not change its function. A neuron is a row of the matrices into an MLP and
a column of the matrix out of it. A head is a block of rows of query, key and value, and a block of columns of the
output projection. Units are matched as in the weight matching of Git Re-Basin (Ainsworth et al., arXiv 2209.04836),
greedily by the greatest cosine of their input weights:

    π(i) = argmax_j cos(w_i, v_j), each j once, the greatest cosine first
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from hashlib import blake2b

import numpy as np

from atlas_db.core.arrays import Floats, Integers
from ingest.formats.matrix import Matrix
from ingest.formats.open_model import OpenModel
from ingest.weights.parameters.sample_parameters import SAMPLE

UNIT_GROUPS = (
    (("mlp.gate_proj", "mlp.up_proj"), "mlp.down_proj", False),
    (("mlp.fc1",), "mlp.fc2", False),
    (("intermediate.dense",), "output.dense", False),
    (("self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj"), "self_attn.o_proj", True),
)
"""Matrices into a group of units, the matrix out of it, and whether the units are heads."""
_CHUNK_UNITS = 1024
"""Units that are compared at once: bounds the memory."""
Permutation = Mapping[tuple[str, int], Integers]
"""Order of units by layer and index in UNIT_GROUPS: the index of the unit that comes first, second and so on.

Groups without an entry keep their order.
"""


def match_units(model: OpenModel, reference: OpenModel) -> Permutation | None:
    """Return the permutation that puts a model's units in the order of a reference.

    Args:
        model: The model.
        reference: The reference.

    Returns:
        None where the units do not match, or a model is larger than `SAMPLE.max_alignment_bytes`.
    """
    if max(model.size, reference.size) > SAMPLE.max_alignment_bytes:
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
    """Return the permutation that applies two permutations, one after the other."""
    both = {key: first[key][then[key]] for key in first.keys() & then.keys()}
    return {**first, **then, **both}


def same_permutation(first: Permutation, second: Permutation) -> bool:
    """Whether two permutations agree in half of each group's units: units that drifted far may be matched wrongly."""
    return first.keys() == second.keys() and all(
        (units == second[key]).mean() >= SAMPLE.min_agreeing_units for key, units in first.items()
    )


def agreement(first: Permutation, second: Permutation) -> float:
    """Return the share of units with the same index in two permutations of the same groups, 0..1."""
    return float(np.concatenate([units == second[key] for key, units in first.items()]).mean())


def is_permuted(permutation: Permutation) -> bool:
    """Whether a permutation is not the identity."""
    return not same_permutation(permutation, {key: np.arange(len(units)) for key, units in permutation.items()})


def permutation_id(permutation: Permutation) -> str:
    """Return the hash of a permutation."""
    digest = blake2b(digest_size=8)
    for key in sorted(permutation):
        digest.update(permutation[key].tobytes())
    return digest.hexdigest()


def permute_units(model: OpenModel, permutation: Permutation) -> OpenModel:
    """Return a model with permuted units. Values are read on demand, as before."""
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
    """Return the input weights of the units, NaN as 0, shape (units, columns).

    Args:
        model: The model.
        names: Names of the matrices whose rows are joined. The first alone where they differ in rows.
    """
    parts = []
    for name in names:
        matrix = model.matrices[name]
        parts.append(np.nan_to_num(matrix.read(np.arange(matrix.rows))[:, : SAMPLE.match_columns]))
    if len({len(part) for part in parts}) > 1:
        return parts[0]
    return np.concatenate(parts, 1)


def _nearest_units(wanted: Floats, given: Floats) -> Integers | None:
    """Return for each wanted unit the given unit of the greatest cosine, each once.

    Args:
        wanted: Input weights of the reference's units, shape (units, columns).
        given: Input weights of the model's units, shape (units, columns).

    Returns:
        Shape (units,). None where the median cosine is below `SAMPLE.min_match_cosine`.
    """
    wanted = wanted / np.maximum(np.linalg.norm(wanted, axis=1, keepdims=True), 1e-12)
    given = given / np.maximum(np.linalg.norm(given, axis=1, keepdims=True), 1e-12)
    best, similarity = np.empty(len(wanted), np.int64), np.empty(len(wanted), np.float32)
    for start in range(0, len(wanted), _CHUNK_UNITS):
        cosines = wanted[start : start + _CHUNK_UNITS] @ given.T
        best[start : start + _CHUNK_UNITS] = cosines.argmax(1)
        similarity[start : start + _CHUNK_UNITS] = cosines.max(1)
    if float(np.median(similarity)) < SAMPLE.min_match_cosine:
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
