"""Tuned constants of the base of an adapter."""

from __future__ import annotations

from dataclasses import dataclass

from atlas_db.core.parameters import parameter

_WORK = "chosen: bounds the work of one adapter"
_REAL = "83 adapters of 25 families by real tools (seeds 15 to 17, 21 and 22), families left out in turn"
_FAMILIES = "families of small transformers with adapters by PEFT"


@dataclass(frozen=True, slots=True)
class AdapterParameters:
    """The base of an adapter.

    Attributes:
        max_modules: Modules of an adapter that are compared with a base.
        max_copies: Copied tensors of an adapter that are compared with a base.
        max_elements: Elements of each that are read.
        max_members: Models of one tree that are compared at most.
        max_block: Rows and columns of an update that are compared.
        max_rank: Singular vectors of a dense update that are kept.
        max_experts: Experts of one module that are compared.
        max_inputs: Inputs of a matrix that is stored in × out, up to which all are read.
        max_partner_rows: Rows of a partner that are read.
        spectrum_shares: Shares of an update's variance that may follow a model's spectrum; the rest is the same in all
            directions.
        min_z: Fit of a family against chance, from which an adapter is of that family.
        min_z_share: Fit over that of the best tree, from which a tree is of the same family.
        min_copied_correlation: Correlation with the copied values of a family, from which an adapter is of that family.
        max_principal_distance: Distance of a factor to a model's singular vectors, over its length, below which it
            counts as made of such.
        step_scatter: Deviation of a step's coefficient from 0 or 1 that is no drift.
        drift_along_steps: Part of an adapter's drift that may point along a step.
        step_ridge: Relative ridge of the joint regression on steps.
        min_copy_distance: Least mean squared distance that copied values are measured in, over the family's spread.
        likelihood_unit: Difference of log-likelihoods from which on differences count by their logarithm.
        max_rows_z: Bound on the z of elements that equal one model's and not another's.
        exact_absent: Probability that the base is not here, where a table of a model here is the adapter's copy.
        unequal_absent: The same where no model here has the adapter's copy.
        absent: The same for other evidence and many candidates.
        absent_of_few: Added to that, over the number of candidates.
    """

    max_modules: int = parameter(32, "modules", _WORK)
    max_copies: int = parameter(64, "tensors", _WORK)
    max_elements: int = parameter(65536, "elements", _WORK)
    max_members: int = parameter(24, "models", _WORK)
    max_block: int = parameter(128, "rows", _WORK)
    max_rank: int = parameter(64, "vectors", _WORK)
    max_experts: int = parameter(4, "experts", _WORK)
    max_inputs: int = parameter(4096, "inputs", _WORK)
    max_partner_rows: int = parameter(512, "rows", _WORK)
    spectrum_shares: tuple[float, ...] = parameter(
        (0.0, 0.05, 0.1, 0.2, 0.35, 0.5, 0.65, 0.8, 0.9, 0.95),
        "share",
        "chosen: bounds the work of one fit by a grid over 0 to 1",
    )
    min_z: float = parameter(6.0, "1", f"{_FAMILIES}: unrelated models stay below 5")
    min_z_share: float = parameter(0.4, "1", f"{_FAMILIES}: trees of one family differ by less")
    min_copied_correlation: float = parameter(0.5, "1", f"{_FAMILIES}: unrelated models stay below 0.2")
    max_principal_distance: float = parameter(0.5, "1", f"{_FAMILIES}: of other updates it is 1 and more")
    step_scatter: float = parameter(0.3, "1", _REAL)
    drift_along_steps: float = parameter(0.8, "1", _REAL)
    step_ridge: float = parameter(1e-6, "1", "chosen: above the rounding of float32")
    min_copy_distance: float = parameter(1e-6, "1", "chosen: exact copies are then certain, and no more")
    likelihood_unit: float = parameter(5.0, "nats", "chosen: neighbouring directions are not independent")
    max_rows_z: float = parameter(4.0, "1", "chosen: e⁻⁸ is as good as never")
    exact_absent: float = parameter(0.02, "probability", "chosen: another model can have the same table")
    unequal_absent: float = parameter(0.98, "probability", "by definition: the base has that table")
    absent: float = parameter(0.2, "probability", "chosen: share of bases that are missing in an atlas")
    absent_of_few: float = parameter(0.25, "probability", "chosen: one candidate alone is no choice")


ADAPTER = AdapterParameters()
