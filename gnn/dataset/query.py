"""The models to complete, each with a cutoff in time and a metadata mask."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from atlas_db.core.arrays import Doubles, Flags, Integers


@dataclass(frozen=True, slots=True)
class CompletionQuery:
    """Models to complete.

    Attributes:
        rows: Models, shape (q,).
        cutoffs: Only declarations before this time are visible, days since 1970, shape (q,).
        metadata_visible: Whether the model's own metadata (tags, task, card …) may be used, shape (q,).
    """

    rows: Integers
    cutoffs: Doubles
    metadata_visible: Flags

    def subset(self, chosen: Integers | slice | Flags) -> CompletionQuery:
        """Return the query for some of the models."""
        return CompletionQuery(self.rows[chosen], self.cutoffs[chosen], self.metadata_visible[chosen])

    @classmethod
    def concat(cls, parts: Sequence[CompletionQuery]) -> CompletionQuery:
        """Return several queries as one."""
        return cls(
            np.concatenate([part.rows for part in parts]),
            np.concatenate([part.cutoffs for part in parts]),
            np.concatenate([part.metadata_visible for part in parts]),
        )

    def __len__(self) -> int:
        return len(self.rows)
