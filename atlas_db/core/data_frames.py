"""Rows as a pandas data frame. pandas is imported with the first frame only, as a bare install has none."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from atlas_db.core.extras import require_extra

if TYPE_CHECKING:
    import pandas as pd


def data_frame(rows: Iterable[Mapping[str, Any]], columns: Sequence[str]) -> pd.DataFrame:
    """Return rows as a data frame.

    Args:
        rows: One mapping a row, by column; what a row lacks is missing in the frame.
        columns: Columns in order.

    Raises:
        UsageError: The extra `analysis` is not installed.
    """
    require_extra("analysis")
    import pandas as pd

    return pd.DataFrame(list(rows), columns=list(columns))
