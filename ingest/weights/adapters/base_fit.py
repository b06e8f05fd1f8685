"""How well models fit an adapter as its base: each against chance, and each against each other.

Gradients lie where the base's own matrices stretch most, and even more where the matrices do through which they come.
Let C = L · Lᵀ of an update's directions, and M = W · Wᵀ of a model's matrix W. The energy of M in C is Σ C∘M. Its
diagonal depends on the sizes of single units alone, which models that are not related share. The rest has the
expectation 0 and a known variance under random signs of the units:

    z = Σ_{i≠j} C_ij M_ij / √(2 Σ_{i≠j} C_ij² M_ij²)

A model that is not related has z near 0, whatever other models there are. Members of one family differ by little; so
they are compared in pairs, by the same statistic of M_second - M_first.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from atlas_db.core.arrays import Doubles, Floats
from ingest.weights.adapters.base_matrices import ModuleView
from ingest.weights.adapters.contained_steps import CopiedValues
from ingest.weights.parameters.adapter_parameters import ADAPTER


@dataclass(slots=True)
class Fit:
    """How n models fit an adapter.

    Attributes:
        outputs: z of the energy of each model's matrices in the update's directions of outputs, shape (n,).
        inputs: The same for directions of inputs, shape (n,).
        reached: The same for directions of outputs in the matrices through which gradients reach them, shape (n,).
        own: Log-likelihood of the directions of outputs, given the spectra of each model's matrices, shape (n,).
        copied: z of the correlation with the values that the adapter copied, 0 where it is weak, shape (n,).
        partner: The same as `own`, given the matrices through which gradients reach the outputs where these are known,
            shape (n,).
        contained: Inner products of the values that the adapter copied with those of the models.
        pairs: By name of the statistic, shape (n, n). The z by which the model of the column fits better than that of
            the row.
        modules: Modules that were compared.
    """

    outputs: Doubles
    inputs: Doubles
    reached: Doubles
    own: Doubles
    partner: Doubles
    copied: Doubles
    contained: CopiedValues
    pairs: dict[str, Doubles]
    modules: int


class Accumulator:
    """Sum of statistics over modules; the sum of n independent z over √n is a z."""

    def __init__(self, models: int) -> None:
        self.models = models
        self.single = {name: np.zeros(models) for name in ("outputs", "inputs", "reached", "own", "partner")}
        self.pairs = {name: np.zeros((models, models)) for name in ("outputs", "inputs", "reached", "overlap")}
        self.counts = dict.fromkeys(self.pairs, 0)
        self.dots, self.squares = np.zeros(models), np.zeros(models)
        self.square, self.elements = 0.0, 0
        self.contained, self.copies = CopiedValues(models), 0

    def add_update(self, left: Floats, right: Floats, views: Sequence[ModuleView]) -> None:
        """Add a module.

        Args:
            left: Directions in outputs, shape (outputs, k).
            right: Directions in inputs, shape (inputs, k).
            views: The module in each model.
        """
        rows, columns = len(left), len(right)
        if rows:
            self._add_energy("outputs", left @ left.T, [view.outputs for view in views])
            own = np.array([log_likelihood(left, *view.own) for view in views])
            partners = [log_likelihood(left, *view.partner) for view in views if view.partner is not None]
            self.single["own"] += own
            self.single["partner"] += partners if len(partners) == len(views) else own
            reached = [view.reached for view in views if view.reached is not None]
            if len(reached) == len(views):
                self._add_energy("reached", left @ left.T, reached)
        if columns:
            self._add_energy("inputs", right @ right.T, [view.inputs for view in views])
        if rows and columns:
            delta = left @ right.T
            self._add_pairs("overlap", np.stack([(delta * view.block).reshape(-1) for view in views]))

    def add_copy(self, values: Floats, originals: Sequence[Floats], *, structured: bool) -> None:
        """Add a tensor that was trained from the base's values.

        Args:
            values: The adapter's values, shape (elements,).
            originals: The values of each model, shape (elements,) each.
            structured: Whether unrelated models correlate in such values, as in the norms of the rows of a matrix.
        """
        if not structured:
            centred = values - values.mean()
            self.dots += [float(np.vdot(centred, each - each.mean())) for each in originals]
            self.squares += [float(np.vdot(each - each.mean(), each - each.mean())) for each in originals]
            self.square, self.elements = self.square + float(np.vdot(centred, centred)), self.elements + len(values)
        self.contained.add(values, originals)
        self.copies += 1

    def _add_energy(self, name: str, directions: Floats, grams: Sequence[Floats]) -> None:
        upper = np.triu_indices(len(directions), 1)
        products = np.stack([directions[upper] * gram[upper] for gram in grams]).astype(float)
        self.single[name] += products.sum(1) / np.maximum(np.sqrt(np.square(products).sum(1)), 1e-30)
        self._add_pairs(name, products)

    def _add_pairs(self, name: str, products: Doubles) -> None:
        """Add z of the differences of all pairs of rows.

        Args:
            name: Name of the statistic.
            products: One row a model, shape (models, terms).
        """
        products = products.astype(float) - products.mean(0)
        sums, gram = products.sum(1), products @ products.T
        squares = np.diag(gram)
        norms = np.sqrt(np.maximum(squares[:, None] + squares - 2 * gram, 0))
        floor = 1e-9 * np.sqrt(squares.max(initial=0))
        self.pairs[name] += np.where(norms > floor, (sums - sums[:, None]) / np.maximum(norms, 1e-300), 0)
        self.counts[name] += 1

    def _copied(self) -> Doubles:
        correlations = self.dots / np.sqrt(np.maximum(self.square * self.squares, 1e-30))
        strong = correlations >= ADAPTER.min_copied_correlation
        return np.asarray(np.where(strong, correlations * np.sqrt(self.elements), 0.0))

    def fit(self) -> Fit:
        """Return the statistics of all modules that were added."""
        scale = {name: np.sqrt(max(count, 1)) for name, count in self.counts.items()}
        single = {name: value / scale.get(name, 1.0) for name, value in self.single.items()}
        pairs = {name: value / scale[name] for name, value in self.pairs.items()}
        modules = max(*self.counts.values(), self.copies)
        return Fit(**single, copied=self._copied(), contained=self.contained, pairs=pairs, modules=modules)


def log_likelihood(directions: Floats, values: Floats, vectors: Floats) -> float:
    """Return the log-likelihood of directions as normal vectors whose covariance mixes a spectrum with white noise.

    Energy alone is higher for every model with a more uneven spectrum; the likelihood allows for that. Scale and share
    of the spectrum are fitted.

    Args:
        directions: Shape (n, k).
        values: Eigenvalues, mean 1, shape (n,).
        vectors: Eigenvectors, shape (n, n).
    """
    energies = np.square(vectors.T @ directions).mean(1).astype(float)
    energies = energies / max(float(energies.mean()), 1e-30)
    shares = np.array(ADAPTER.spectrum_shares)[:, None]
    variances = 1 - shares + shares * (values + 1e-2)
    variances *= (energies / variances).mean(1, keepdims=True)
    found = -0.5 * directions.shape[1] * (np.log(variances) + energies / variances).sum(1)
    return float(found.max())
