"""Weights looked at again: larger samples of finalists, and units put in order, where the files are still there."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from atlas_db.errors import WeightsError
from ingest.weights.fingerprint import Fingerprint, Sample, take_sample
from ingest.weights.model import open_model
from ingest.weights.permute import realign
from ingest.weights.sampling import DETAIL


@dataclass(frozen=True, slots=True)
class Rereader:
    """Reads weights by the location that a fingerprint carries.

    Attributes:
        positions: Positions a sample.
    """

    positions: int = DETAIL

    def sample(self, item: Fingerprint) -> Sample | None:
        """Return a larger sample of a model, or None where its weights are out of reach."""
        try:
            with open_model(Path(item.location)) as model:
                return take_sample(model, self.positions)
        except (WeightsError, OSError):
            return None

    def realigned(self, item: Fingerprint, reference: Fingerprint) -> tuple[Sample, str] | None:
        """Return a sample of a model whose units were put in the order of a reference, and the permutation's name.

        Returns:
            None where its units do not match, are in order already, or the weights are out of reach.
        """
        try:
            with open_model(Path(item.location)) as model, open_model(Path(reference.location)) as other:
                found = realign(model, other)
                if found is None:
                    return None
                return take_sample(found[0], self.positions), found[1]
        except (WeightsError, OSError):
            return None
