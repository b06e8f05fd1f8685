"""Tests of `atlas_db/core/errors.py`."""

from __future__ import annotations

from atlas_db.core import errors
from atlas_db.core.errors import AtlasError


def test_every_error_is_drawn_in_the_tree() -> None:
    page = errors.__doc__ or ""
    for name, value in vars(errors).items():
        if isinstance(value, type) and issubclass(value, AtlasError):
            assert name in page, name
            assert value.__doc__
