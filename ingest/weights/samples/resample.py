"""Larger samples of models whose weight files are still there, with their units permuted where needed."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from atlas_db.core.errors import WeightsError
from ingest.formats.open_model import open_model
from ingest.weights.fingerprints.fingerprint import Fingerprint, Sample, take_sample
from ingest.weights.parameters.sample_parameters import SAMPLE
from ingest.weights.samples.layer_digests import Block, Layer, LayerDigests, block_digests, layer_digests
from ingest.weights.samples.permutation_matching import Permutation, match_units, permute_units


@dataclass(frozen=True, slots=True)
class Resampler:
    """Reads weights at the location that a fingerprint names.

    Attributes:
        positions: Positions of a sample.
    """

    positions: int = SAMPLE.detail_positions

    def sample(self, fingerprint: Fingerprint, permutation: Permutation | None = None) -> Sample | None:
        """Return a larger sample of a model.

        Args:
            fingerprint: The model.
            permutation: Order of its units; as stored where None.

        Returns:
            None where its weights cannot be read.
        """
        try:
            with open_model(Path(fingerprint.location)) as model:
                return take_sample(permute_units(model, permutation) if permutation else model, self.positions)
        except (WeightsError, OSError):
            return None

    def layers(self, fingerprint: Fingerprint) -> dict[Layer, LayerDigests]:
        """Return the digests of a model's layers; none where its weights cannot be read."""
        try:
            with open_model(Path(fingerprint.location)) as model:
                return layer_digests(model)
        except (WeightsError, OSError):
            return {}

    def blocks(self, fingerprint: Fingerprint, stems: Collection[str]) -> dict[Block, LayerDigests]:
        """Return the digests of a model's experts and feed-forward parts; none where its weights cannot be read."""
        try:
            with open_model(Path(fingerprint.location)) as model:
                return block_digests(model, stems)
        except (WeightsError, OSError):
            return {}

    def match_units(self, fingerprint: Fingerprint, reference: Fingerprint) -> Permutation | None:
        """Return the permutation that puts a model's units in the order of a reference.

        Args:
            fingerprint: The model.
            reference: The reference.

        Returns:
            None where the units do not match, or weights cannot be read.
        """
        try:
            with open_model(Path(fingerprint.location)) as model, open_model(Path(reference.location)) as other:
                return match_units(model, other)
        except (WeightsError, OSError):
            return None
