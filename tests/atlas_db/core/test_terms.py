"""Words of the graph are those of the code: the schema knows each, and none stands for two things."""

from __future__ import annotations

from enum import StrEnum

import pytest

from atlas_db.core import terms

KINDS = [
    each
    for each in vars(terms).values()
    if isinstance(each, type) and issubclass(each, StrEnum) and each is not StrEnum
]


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_values_are_plain_lower_case_words(kind: type[StrEnum]) -> None:
    values = [str(each) for each in kind]
    assert len(set(values)) == len(values) > 1
    assert all(value == value.lower() and value.replace("_", "").isalnum() for value in values)


def test_the_stand_in_for_unknown_dates_is_covered() -> None:
    assert max("2022-03-02T23:29:04.000Z"[:19] + "Z", "2022-03-02T23:29:05Z") <= terms.UNKNOWN_DATE_FLOOR
