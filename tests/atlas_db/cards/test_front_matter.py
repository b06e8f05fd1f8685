"""Tests of `atlas_db/cards/front_matter.py`."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from atlas_db.cards import front_matter
from atlas_db.cards.front_matter import MAX_DEPTH, parse_card, parse_yaml, split_card, value_lines


@pytest.mark.parametrize(
    ("text", "data", "broken"),
    [
        ("---\nlicense: mit\n---\n# Hi", {"license": "mit"}, False),
        ("---\r\nlanguage: no\r\n---\r\ntext", {"language": "no"}, False),
        ("\ufeff---\nlanguage:\n- no\n- yes\n---\n", {"language": ["no", "yes"]}, False),
        ("---\nx: 2024-01-01\n---\n", {"x": "2024-01-01"}, False),
        ("---\nlicense: [mit\n---\n", {}, True),
        ("---\n- a\n- b\n---\n", {}, True),
        ("---\na: &x [1]\nb: *x\n---\n", {"a": [1], "b": [1]}, False),
        ("---\na: &x [*x]\n---\n", {}, True),
        ("---\na: *nobody\n---\n", {}, True),
        ('---\na: "\\ud83d\\ude00"\n---\n', {"a": "\U0001f600"}, False),
        ("---\n\tlicense: mit\n---\n", {"license": "mit"}, False),
        ("---\n---\nbody", {}, False),
        ("# no front matter", {}, False),
        ("", {}, False),
        ("---\nnever closed: true", {}, False),
    ],
)
def test_front_matter(text: str, data: dict[str, Any], broken: bool) -> None:
    card = parse_card(text)
    assert card.data == data
    assert bool(card.problem) == broken


FENCES = [
    "---\nlicense: mit\n# ---- origin ----\nlanguage: fr\n---\ntext",
    "---\nlicense: mit\nbase_model:\n- up/nc # the base ---\n- up/l3\n---\ntext",
    "---\ntitle: a --- b ---\nlicense: mit\n---\n",
    "---\nlicense: mit\n----\nlanguage: fr\n---\n",
    "---\nlicense: mit\n ---\nlanguage: fr\n---\n",
    "---\nlicense: mit\n--- \t\ntext\n---\nmore",
    "---\nlicense: mit\n---text\nlanguage: fr\n---\n",
    "---\r\nlicense: mit\r\n---\r\ntext\r\n---\r\n",
    "---\rlicense: mit\r---\ntext",
    "---\nlicense: mit\n---",
    "---\nlicense: mit---\n",
    "--- \nlicense: mit\n---\n",
    "---\n---\nlicense: mit\n---\n",
    "----\nlicense: mit\n---\n",
    "\n\n  ---\nlicense: mit\n---\n",
    "text\n---\nlicense: mit\n---\n",
    "---\nlicense: mit\n...\n---\n",
]


@pytest.mark.parametrize("mark", ["", "\ufeff"])
@pytest.mark.parametrize("text", FENCES)
def test_front_matter_ends_where_the_hub_library_ends_it(tmp_path: Path, text: str, mark: str) -> None:
    from huggingface_hub import RepoCard

    (tmp_path / "README.md").write_bytes((mark + text).encode())
    try:
        theirs = RepoCard.load(tmp_path / "README.md")
    except yaml.YAMLError:
        assert (parse_card(mark + text).data, bool(parse_card(mark + text).problem)) == ({}, True)
        return
    assert parse_card(mark + text).data == theirs.data.to_dict()
    assert split_card(mark + text)[1] == theirs.text


@given(st.text(alphabet=st.sampled_from("---\n\r: a\t"), max_size=40))
def test_fences_are_those_of_the_hub_library(text: str) -> None:
    from huggingface_hub.repocard import REGEX_YAML_BLOCK

    theirs = REGEX_YAML_BLOCK.search(text)
    assert split_card(text) == ((theirs.group(2), text[theirs.end() :]) if theirs else ("", text))


def test_aliases_are_read_up_to_a_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each line doubles the nodes of the line above it: 4 lines stand for some 30 nodes."""
    text = "---\na: &a [1, 1]\nb: &b [*a, *a]\nc: &c [*b, *b]\nd: [*c, *c]\n---\n"
    assert parse_card(text).data["d"] == [[[[1, 1]] * 2] * 2] * 2
    monkeypatch.setattr(front_matter, "MAX_NODES", 20)
    card = parse_card(text)
    assert card.data == {}
    assert "more than 20 nodes" in card.problem
    plain = "---\n" + "".join(f"k{n}: 1\n" for n in range(50)) + "---\n"
    assert len(parse_card(plain).data) == 50  # what stands there in full is bounded by its length


@given(st.text(alphabet=st.sampled_from("---\n\r: &*[]{}'\"!#|>abc\t0"), max_size=80))
def test_no_card_breaks_the_reader(text: str) -> None:
    card = parse_card("---\n" + text)
    assert card.length >= 0
    assert len(card.sha256) == 64


def nested(levels: int, form: str) -> str:
    """Return YAML with so many lists or mappings inside each other, the outer mapping among them."""
    inner = levels - 1
    if form == "brackets":
        return f"a: {'[' * inner}{']' * inner}"
    if form == "braces":
        return "a: " + "{b: " * inner + "1" + "}" * inner
    if form == "dashes":
        return "a:\n  " + "- " * inner + "b"
    return "\n".join(f"{' ' * level}a:" for level in range(levels)) + " b"


@pytest.mark.parametrize("form", ["brackets", "braces", "dashes", "margin"])
def test_depth_is_bounded(form: str) -> None:
    assert parse_yaml(nested(MAX_DEPTH, form))[1] == ""
    data, problem = parse_yaml(nested(MAX_DEPTH + 1, form))
    assert (data, problem) == ({}, "front matter is nested more than 200 levels deep")


def test_a_list_in_a_column_of_its_mapping_counts_twice() -> None:
    text = "".join(f"{' ' * level}a:\n{' ' * level}- b:\n" for level in range(0, 72, 2))
    assert parse_yaml(text)[1] == "", "the number of columns alone would not tell"
    wide = "".join(f"{' ' * level}a:\n{' ' * level}- b:\n" for level in range(0, 200, 2))
    assert "nested more than" in parse_yaml(wide)[1]


@pytest.mark.parametrize(
    "text",
    ["a: [" + "b, " * 2**17 + "b]", "a:\n" + "- b\n" * 2**17, "a:\n" + "- {b: c}\n" * 2**16],
    ids=["flow", "block", "mappings"],
)
def test_the_number_of_nodes_is_bounded(text: str) -> None:
    assert parse_yaml(text) == ({}, "front matter has more than 131072 nodes")


def test_nodes_are_bounded_that_no_line_and_no_comma_begins() -> None:
    assert parse_yaml(("- " * 36 + "b\n") * 4000)[1] == "front matter has more than 131072 nodes"


def test_directives_are_bounded() -> None:
    assert "directives" in parse_yaml("".join(f"%TAG !e{n}! x\n" for n in range(9)) + "---\na: b")[1]
    long = f"%TAG !e! {'x' * front_matter.MAX_DIRECTIVE}\n---\na: b"
    assert parse_yaml(long)[1] == "front matter has a directive of more than 80 characters"


@pytest.mark.parametrize("ends", ["\n", "\r", "\r\n", "\x85", "\u2028", "\u2029"])
def test_bounds_hold_whichever_character_ends_a_line(ends: str) -> None:
    deep = f"a: b{ends}c:{ends}{'- ' * 201}d"
    assert "nested more than" in parse_yaml(deep)[1]
    assert "nested more than" in parse_yaml(deep.replace(f"c:{ends}", f"c:{ends}\ufeff"))[1]
    assert "directives" in parse_yaml(f"%YAML 1.1{ends}" * 9 + f"---{ends}a: b")[1]
    assert "nodes" in parse_yaml(f"a:{ends}" + f"- b{ends}" * 2**17)[1]


def test_lines_of_values_have_the_same_bounds() -> None:
    assert value_lines("---\na: b\n---\n") == {"a": {"": 2, "b": 2}}
    for blank in " \t":
        assert value_lines(f"---\na:\n{f'-{blank}' * 201}b\n---\n") == {}


def test_texts_of_aliases_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    text = f"a: &a {'b' * 50}\nc: [*a, *a, *a]"
    assert parse_yaml(text)[1] == ""
    monkeypatch.setattr(front_matter, "MAX_CHARACTERS", 199)
    assert parse_yaml(text)[1] == "front matter has more than 199 characters with its aliases written out"


def test_a_problem_shows_a_part_of_a_long_text() -> None:
    assert len(parse_yaml(f"a: !<{'b' * 9000}> c")[1]) < 200


@pytest.mark.parametrize(
    ("written", "value"),
    [
        ("7", 7), ("-1_000", -1000), ("0x1F", 31), ("0b11", 3), ("017", 15), ("0", 0), ("1.5", 1.5), (".5", 0.5), ("1.5e+3", 1500.0),
        (".inf", float("inf")), ("1:30", "1:30"), ("9" * 60, "9" * 60), ("1.", 1.0), ("1.5.2", "1.5.2"), ("1e3", "1e3"), ("+", "+"),
    ],
)  # fmt: skip
def test_numbers_are_those_of_yaml_but_times_and_very_long_ones(written: str, value: object) -> None:
    assert parse_yaml(f"a: {written}") == ({"a": value}, "")


TAGS = "bool int float timestamp binary null str seq map set omap pairs merge value".split()
TEXTS = [
    "",
    "x",
    "_",
    "+",
    "-",
    "0b_",
    "0x",
    "09",
    "1:2",
    "0:",
    ".",
    "=",
    "2023-02-29",
    "ü",
    "[a]",
    "{a: b}",
    "{a}",
    "[{a: b}]",
]


@pytest.mark.parametrize("tag", TAGS)
def test_a_tag_that_does_not_fit_ends_nothing(tag: str) -> None:
    """Its text is read, or the front matter is named as none; and what is read is as JSON has it."""
    for text in TEXTS:
        for form in (f"a: !!{tag} {text}\nb: 7", f"a: {{b: [!!{tag} {text}]}}", f"? !!{tag} {text}\n: 7"):
            data, problem = parse_yaml(form)
            assert bool(data) != bool(problem), form
            json.dumps(data, default=_unexpected)
            assert all(isinstance(key, str) for key in keys_in(data))


def _unexpected(value: object) -> None:
    raise AssertionError(value)


def keys_in(value: object) -> Iterator[object]:
    if isinstance(value, dict):
        yield from value
    for each in value.values() if isinstance(value, dict) else value if isinstance(value, list | tuple) else ():
        yield from keys_in(each)


@pytest.mark.parametrize(
    ("written", "value"),
    [
        ("!!int 7", 7), ("!!int seven", "seven"), ("!!int ''", ""), ("!!int 1:30", "1:30"), ("!!int 0b_", "0b_"),
        ("!!int " + "9" * 60, "9" * 60), ("!!float 7", 7.0), ("!!float 1.5", 1.5), ("!!float much", "much"),
        ("!!float ''", ""), ("!!float 0x1", "0x1"), ("!!bool true", True), ("!!bool maybe", "maybe"),
        ("!!timestamp 2024-05-06", "2024-05-06"), ("!!timestamp soon", "soon"), ("!!binary aGk=", "aGk="),
        ("!!binary é", "é"), ("!!set {b, c}", ["b", "c"]), ("!!null x", None),
        ("{1: {true: {null: {1.5: {2024-05-06: d}}}}}", {"1": {"true": {"null": {"1.5": {"2024-05-06": "d"}}}}}),
    ],
)  # fmt: skip
def test_tags_count_where_their_text_fits(written: str, value: object) -> None:
    assert parse_yaml(f"a: {written}") == ({"a": value}, "")
