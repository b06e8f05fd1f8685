"""The base of an adapter among models: which fit at all, and how likely each is, an absent base among the answers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from atlas_db.core.arrays import Doubles, Floats
from ingest.weights.adapters.base_fit import Accumulator, Fit
from ingest.weights.adapters.base_matrices import BaseMatrices
from ingest.weights.adapters.contained_steps import line_to, step_log_likelihoods
from ingest.weights.adapters.traces import AdapterTraces, CopyRole, Update
from ingest.weights.parameters.adapter_parameters import ADAPTER

_ROUNDING = {"BF16": 2.0**-8, "F16": 2.0**-11}
"""Relative step of types that adapters round the base's values to."""


@dataclass(slots=True)
class Measured:
    """How models fit an adapter.

    Attributes:
        fit: Statistics of all of them.
        equal: Whether the adapter holds a copy of a table of the base, and each model has the same; None without one.
        rows: By how much more elements equal those of the model of the column than of the row, as z, shape (n, n).
    """

    fit: Fit
    equal: list[bool] | None
    rows: Doubles

    def z(self) -> Doubles:
        """Return z of each model's fit against chance, shape (n,)."""
        fit = self.fit
        both = (fit.outputs + fit.inputs) / np.sqrt(2)
        return np.asarray(np.maximum.reduce([fit.outputs, fit.inputs, both, fit.reached, fit.copied]))


def measure(traces: AdapterTraces, bases: Sequence[BaseMatrices]) -> Measured:
    """Return how models fit an adapter, by the modules that all of them have.

    Args:
        traces: What the adapter keeps of its base.
        bases: The models.
    """
    sums = Accumulator(len(bases))
    for update in traces.updates:
        views = [view for base in bases if (view := base.view(update)) is not None]
        if len(views) < len(bases):
            continue
        sums.add_update(update.left, update.right[: ADAPTER.max_block], views)
        _add_principal(sums, update, bases)
    equal: list[bool] | None = None
    counts = np.zeros((len(bases), len(bases)))
    for copy in traces.copies:
        originals = [values.reshape(-1) for base in bases if (values := base.read_copy(copy)) is not None]
        if len(originals) < len(bases):
            continue
        values = copy.values.reshape(-1)
        if copy.role == CopyRole.BASE:
            step = _ROUNDING.get(copy.dtype, 0.0)
            same = [bool((np.abs(values - each) <= step * np.abs(each)).all()) for each in originals]
            equal = same if equal is None else [a and b for a, b in zip(equal, same, strict=True)]
        sums.add_copy(values, originals, structured=copy.role in (CopyRole.MAGNITUDE, CopyRole.BIAS))
        if copy.role != CopyRole.MAGNITUDE:
            hits = np.stack([(values == each) & ~np.isin(values, (0.0, 1.0)) for each in originals]).astype(float)
            counts += (1 - hits) @ hits.T
    return Measured(sums.fit(), equal, (counts - counts.T) / np.sqrt(np.maximum(counts + counts.T, 1)))


def fitting_modules(traces: AdapterTraces, base: BaseMatrices) -> int:
    """Return how many of the modules that an adapter changes or copies a model has in their shapes."""
    copies = (copy for copy in traces.copies if copy.role != CopyRole.MAGNITUDE)
    return sum(base.fits(update) for update in traces.updates) + sum(base.has_copy(copy) for copy in copies)


def _add_principal(sums: Accumulator, update: Update, bases: Sequence[BaseMatrices]) -> None:
    """Compare factors that started as the base's own leading singular vectors (PiSSA, arXiv 2404.02948).

    There B = s · W · A⁺, up to training, with s the scaling of the update. Of other updates this is far from every
    model.
    """
    if not len(update.left) or not len(update.right) or update.right.shape[1] >= ADAPTER.max_block:
        return
    inverse = np.linalg.pinv(update.right.T)
    read = (base.read(update) for base in bases)
    made = [
        _scaled_to(update.left, each @ inverse) for each in read if each is not None and each.shape[1] == len(inverse)
    ]
    bound = ADAPTER.max_principal_distance * float(np.linalg.norm(update.left))
    if len(made) == len(bases) and min(float(np.linalg.norm(update.left - each)) for each in made) < bound:
        sums.add_copy(update.left.reshape(-1), [each.reshape(-1) for each in made], structured=True)


def _scaled_to(values: Floats, other: Floats) -> Floats:
    """Return other values by the factor that brings them nearest, shape as both."""
    return np.asarray(other * (np.vdot(other, values) / max(float(np.vdot(other, other)), 1e-30)), np.float32)


def features(measured: Measured, parents: Sequence[int | None], later: Sequence[bool]) -> Doubles:
    """Return features of the choice among models, shape (n, 7).

    Values that an adapter copied from its base tell it best. Where there are some, the other statistics add nothing:
    they are 0.

    A model that was trained further leans to every update of its family, and most to those by the same data. So each
    step from a parent to a child is measured, too. It has two measures: by how much the child fits better, and how much
    the step overlaps with the update itself.

    Args:
        measured: How the models fit.
        parents: Place of each model's parent among them, None for a root.
        later: Whether each model is dated after the adapter.

    Returns:
        Columns `scorer.ADAPTER_FEATURES`.
    """
    fit = measured.fit
    table = np.zeros((len(parents), 7))
    table[:, 6] = later
    if fit.contained.elements:
        table[:, 5] = step_log_likelihoods(fit.contained, parents)
        return table
    lines = [line_to(parents, place) for place in range(len(parents))]

    def along(name: str) -> list[float]:
        steps = np.arcsinh(fit.pairs[name])
        return [sum(float(steps[parent, child]) for parent, child in line) for line in lines]

    table[:, 0] = -np.arcsinh((fit.partner.max() - fit.partner) / ADAPTER.likelihood_unit)
    table[:, 1] = -np.arcsinh((fit.own.max() - fit.own) / ADAPTER.likelihood_unit)
    table[:, 2] = [len(line) for line in lines]
    table[:, 3], table[:, 4] = along("overlap"), along("inputs")
    return table


def base_probabilities(measured: Measured, scores: Doubles) -> Doubles:
    """Return the probability of each model to be the base; the rest of 1 is that the base is not here.

    Args:
        measured: How the models fit.
        scores: Log-odds of the models by their features, shape (n,).

    Returns:
        Shape (n,).
    """
    # Elements that equal another model's and not this one's are never trained into it.
    against = np.square(np.clip(measured.rows.max(1, initial=0.0), 0, ADAPTER.max_rows_z)) / 2
    shares = np.exp(scores - against - (scores - against).max())
    absent = ADAPTER.absent + ADAPTER.absent_of_few / len(scores)
    if measured.equal is not None:
        absent = ADAPTER.exact_absent if any(measured.equal) else ADAPTER.unequal_absent
        if any(measured.equal):
            shares = shares * np.array(measured.equal)
    return np.asarray((1 - absent) * shares / shares.sum())
