"""Weights looked at again: larger samples of finalists, and units put in order, where the files are still there."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from atlas_db.core.errors import WeightsError
from ingest.weights.fingerprints.fingerprint import Fingerprint, Sample, take_sample
from ingest.weights.fingerprints.sampling import DETAIL
from ingest.weights.formats.open_model import open_model
from ingest.weights.samples.permutation_matching import Permutation, match_units, permute_units


@dataclass(frozen=True, slots=True)
class Resampler:
    """Reads weights by the location that a fingerprint carries.

    Attributes:
        positions: Positions a sample.
    """

    positions: int = DETAIL

    def sample(self, fingerprint: Fingerprint, permutation: Permutation | None = None) -> Sample | None:
        """Return a larger sample of a model, its units in another order where one is given.

        Returns:
            None where its weights are out of reach.
        """
        try:
            with open_model(Path(fingerprint.location)) as model:
                return take_sample(permute_units(model, permutation) if permutation else model, self.positions)
        except (WeightsError, OSError):
            return None

    def match_units(self, fingerprint: Fingerprint, reference: Fingerprint) -> Permutation | None:
        """Return the order that puts a model's units where a reference has them.

        Returns:
            None where its units do not match, or the weights are out of reach.
        """
        try:
            with open_model(Path(fingerprint.location)) as model, open_model(Path(reference.location)) as other:
                return match_units(model, other)
        except (WeightsError, OSError):
            return None
