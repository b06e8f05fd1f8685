"""Numbers with a name: tuned ones are fields of parameter classes, all others are listed by what they are."""

from __future__ import annotations

import ast
import tomllib
from collections.abc import Iterator

import pytest

from tests.support.paths import MODULES, ROOT

TABLE = ROOT / "tests" / "packaging" / "numeric_constants.toml"
KINDS = ("format", "version", "definition", "rounding", "bound", "sample", "shown")


def is_number(node: ast.expr) -> bool:
    """Whether an expression is made of numbers alone: one, a computation, a tuple, a table, or an array of them."""
    match node:
        case ast.Constant(value):
            return isinstance(value, int | float) and not isinstance(value, bool)
        case ast.UnaryOp(operand=operand):
            return is_number(operand)
        case ast.BinOp(left=left, right=right):
            return is_number(left) and is_number(right)
        case ast.Tuple(elts) | ast.List(elts) | ast.Set(elts):
            return bool(elts) and all(map(is_number, elts))
        case ast.Dict(values=values):
            return bool(values) and all(map(is_number, values))
        case ast.Call(ast.Attribute(attr="array") | ast.Name(id="frozenset"), [first, *_]):
            return is_number(first)
    return False


def numeric_constants(text: str) -> Iterator[str]:
    """Yield the names that a module gives to numbers at its top level."""
    for node in ast.parse(text).body:
        match node:
            case ast.Assign(targets, value):
                pass
            case ast.AnnAssign(target=target, value=ast.expr() as value):
                targets = [target]
            case _:
                continue
        if is_number(value):
            yield from (each.id for target in targets for each in ast.walk(target) if isinstance(each, ast.Name))


@pytest.mark.parametrize(
    ("line", "names"),
    [
        ("MIN_SHARE = 0.3", ["MIN_SHARE"]), ("LEAST, MOST = 2, -(2**10)", ["LEAST", "MOST"]),
        ("SHARES: tuple[float, ...] = (0.1, 0.5)", ["SHARES"]), ("STEPS = {'BF16': 2.0**-8}", ["STEPS"]),
        ("GRID = np.array([0.1, 0.2], np.float32)", ["GRID"]), ("NAME = 'a'", []), ("IS_ON = True", []),
        ("LIMITS = MERGE.elements", []),
    ],
)  # fmt: skip
def test_named_numbers_are_found(line: str, names: list[str]) -> None:
    assert list(numeric_constants(line)) == names


def test_every_named_number_outside_a_parameter_class_is_listed_by_what_it_is() -> None:
    """A new one that is tuned becomes a field of a class in a module `*_parameters.py`; any other gets a line here."""
    table = tomllib.loads(TABLE.read_text(encoding="utf-8"))
    assert tuple(table) == KINDS
    listed = [(module, name) for kind in KINDS for module, names in table[kind].items() for name in names]
    found = [
        (module.as_posix(), name)
        for module in MODULES
        if not module.stem.endswith("_parameters")
        for name in numeric_constants((ROOT / module).read_text(encoding="utf-8"))
    ]
    assert len(listed) == len(set(listed)), "no name has two kinds"
    assert sorted(set(found) - set(listed)) == [], "tuned: into a parameter class; else: a line in the table"
    assert sorted(set(listed) - set(found)) == []
