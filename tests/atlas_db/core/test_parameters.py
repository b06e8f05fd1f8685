"""Tuned constants: each has a unit and its origin, and none can be changed."""

from __future__ import annotations

from dataclasses import FrozenInstanceError, dataclass, field, is_dataclass
from importlib import import_module
from pathlib import Path

import pytest

from atlas_db.core.parameters import Parameter, parameter, parameters_of
from tests.support.paths import MODULES


@dataclass(frozen=True)
class Inner:
    width: int = parameter(3, "models", "by definition")


@dataclass(frozen=True)
class Outer:
    share: float = parameter(0.5, "1", "tuned")
    inner: Inner = field(default_factory=Inner)


def test_parameters_of_nested_classes_have_dotted_names() -> None:
    assert list(parameters_of(Outer())) == [
        Parameter("share", 0.5, "1", "tuned"), Parameter("inner.width", 3, "models", "by definition"),
    ]  # fmt: skip


@pytest.mark.parametrize("module", [path for path in MODULES if path.stem.endswith("_parameters")], ids=str)
def test_each_constant_has_a_unit_and_how_it_was_set(module: Path) -> None:
    held = vars(import_module(".".join(module.with_suffix("").parts)))
    (group,) = [value for name, value in held.items() if name.isupper() and is_dataclass(value)][-1:]
    found = list(parameters_of(group))
    assert found and all(each.unit and each.set_by for each in found)
    assert len({each.name for each in found}) == len(found)
    with pytest.raises(FrozenInstanceError):
        setattr(group, found[0].name.partition(".")[0], None)
