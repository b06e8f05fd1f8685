"""Model cards: YAML front matter of every kind of brokenness, and the text below it."""

from __future__ import annotations

import hashlib
import math
import re
from dataclasses import dataclass
from typing import Any

import yaml

from atlas_db.core.decoding import key_text
from atlas_db.core.safe_text import cut

MAX_FRONT_MATTER = 2**20
TEMPLATES = {
    "trainer": ("generated automatically according to the information the trainer had access to",),
    "keras": (
        "generated automatically according to the information keras had access to",
        "this model has been uploaded using the keras library",
    ),
    "autotrain": ("model trained using autotrain", "this model was trained using autotrain"),
    "trl": ("it has been trained using [trl]",),
    "unsloth": ("2x faster with [unsloth]",),
    "mergekit": ("merge of pre-trained language models created using [mergekit]", "created using [lazymergekit]"),
    "diffusers": ("these are lora adaption weights for", "lora text2image fine-tuning - ", "lora dreambooth - "),
    "sentence-transformers": ("this is a [sentence-transformers]", "this is a [setfit model]", "this is a [setfit]"),
    "reinforcement-learning": (
        "this is a trained model of a **",
        "agent playing **",
        "this is a trained model of an **",
    ),
    "quantization": (
        "format model files for [",
        "llamacpp imatrix quantizations of ",
        "weighted/imatrix quants of https://",
        "static quants of https://",
        "was converted to gguf format from [",
        "was converted to mlx format from [",
    ),
    "pytorch-mixin": ("has been pushed to the hub using the [pytorchmodelhubmixin]",),
    "hub": ("<!-- provide a quick summary of what the model is/does. -->", "[more information needed]"),
}
"""Sentences, in lower case, of the templates that the Hub and the common tools fill in; the first found names the card.

They were taken from the templates in the tools' own sources, not learned. A card without any of them counts as written
by hand, so shares of templates are lower bounds.
"""
_TAG = "tag:yaml.org,2002:"
MAX_NODES = 2**17
"""Bound on the nodes of front matter with its aliases written out."""
MAX_CHARACTERS = 2**22
"""Bound on the characters of its texts, with its aliases written out."""
MAX_DEPTH = 200
"""Bound on the lists and mappings inside each other. The C loader calls itself for each, on a stack without a bound."""
MAX_DIRECTIVES = 8
"""Bound on lines that begin with `%`: the time that the loader takes grows with the square of their number."""
MAX_DIRECTIVE = 80
"""Bound on the characters of such a line: the loader writes out what it says in each tag that uses it."""
_LINE = r"(?:\A|[\r\n\x85\u2028\u2029])\ufeff?"
"""Where a line begins by YAML 1.1, which has five characters that end one."""
_DIRECTIVE = re.compile(rf"{_LINE}(%[^\r\n\x85\u2028\u2029]*)")
_SHALLOW_BRACKETS, _SHALLOW_INDENT, _FEW_ENTRIES = 25, 75, 40_000
# A bracket opens two levels at most, a list and a mapping of one pair. A column of the margin holds a mapping and a
# list at most. So what stays below these numbers is at most 2 * 25 + 2 * 75 levels deep.
_DEEP_INDENT = re.compile(rf"{_LINE}[ ?:-]{{{_SHALLOW_INDENT}}}")
# Each of these characters begins three nodes at most: a collection, and two texts that are empty.
_ENTRY_MARKS = ("\n", "\r", "\x85", "\u2028", "\u2029", ",", "-", "?", ":", "[", "{")
# Both fences are lines of three dashes, as in huggingface_hub: blanks may follow the second one only.
_FRONT_MATTER = re.compile(r"\A\s*---(?:\r\n|\r|\n)(.*?)(?:\r\n|\r|\n)---[ \t]*(?:\r\n|\n|\Z)", re.DOTALL)
_ESCAPED_PAIR = re.compile(r"\\u([dD][89abAB][0-9a-fA-F]{2})\\u([dD][c-fC-F][0-9a-fA-F]{2})")


_BOOL = re.compile(r"\A(?:true|True|false|False)\Z")
_INT = re.compile(r"\A[-+]?(?:0b[01_]{1,64}|0x[0-9a-fA-F_]{1,40}|0[0-7_]{0,40}|[1-9][0-9_]{0,40})\Z")
_FLOAT = re.compile(
    r"\A(?:[-+]?(?:[0-9][0-9_]*\.[0-9_]*|\.[0-9][0-9_]*)(?:[eE][-+][0-9]+)?|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN))\Z"
)


class _StringLoader(yaml.CSafeLoader if hasattr(yaml, "CSafeLoader") else yaml.SafeLoader):  # type: ignore[misc]
    """Reads dates, times, numbers of very many digits, and `no`, `yes`, `on`, `off` as strings, and keys as text.

    `language: no` means Norwegian; YAML 1.1 reads it as False, and `1:30` as the number 90. A tag such as `!!int` that
    its text does not fit changes nothing: the text is read.
    """

    def construct_mapping(self, node: yaml.Node, deep: bool = False) -> dict[str, Any]:
        """Return a mapping with keys of text, as JSON has them."""
        found: dict[Any, Any] = super().construct_mapping(node, deep)
        return {key_text(key): value for key, value in found.items()}


_StringLoader.yaml_implicit_resolvers = {
    first: [
        (tag, pattern)
        for tag, pattern in resolvers
        if not tag.endswith((":bool", ":int", ":float", ":timestamp", ":value", ":merge"))
    ]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
_StringLoader.add_implicit_resolver(f"{_TAG}bool", _BOOL, list("tTfF"))
_StringLoader.add_implicit_resolver(f"{_TAG}int", _INT, list("-+0123456789"))
_StringLoader.add_implicit_resolver(f"{_TAG}float", _FLOAT, list("-+0123456789."))


def _where_it_fits(name: str, *patterns: re.Pattern[str]) -> None:
    """Let a tag count only where the text is what it would have to be without the tag.

    PyYAML's own constructors fail on other text in ways of their own, and take long for numbers in the base of 60.
    """
    build = yaml.SafeLoader.yaml_constructors[_TAG + name]

    def construct(loader: _StringLoader, node: yaml.Node) -> Any:  # noqa: ANN401
        text = loader.construct_scalar(node)
        if not any(pattern.match(text) for pattern in patterns):
            return text
        try:
            return build(loader, node)
        except ValueError:  # underscores alone are digits by the pattern
            return text

    _StringLoader.add_constructor(_TAG + name, construct)


_where_it_fits("bool", _BOOL)
_where_it_fits("int", _INT)
_where_it_fits("float", _FLOAT, _INT)
for _name in ("timestamp", "binary"):  # the text as it was written: days and bytes are no values of JSON
    _StringLoader.add_constructor(_TAG + _name, yaml.SafeLoader.construct_yaml_str)
_StringLoader.add_constructor(f"{_TAG}set", lambda loader, node: list(loader.construct_mapping(node)))


@dataclass(frozen=True, slots=True)
class Card:
    """A parsed model card.

    Attributes:
        data: Front matter; empty where it is missing or not a mapping.
        length: Characters of the text below the front matter.
        sha256: SHA-256 of the whole text.
        template: Name in `TEMPLATES` of the template of the text; empty where none matches.
        problem: Error in the front matter; empty where there is none.
    """

    data: dict[str, Any]
    length: int
    sha256: str
    template: str
    problem: str


def parse_card(text: str) -> Card:
    """Parse a README.md. Never raises: an error in the front matter is noted in the result."""
    digest = hashlib.sha256(text.encode("utf-8", errors="surrogatepass")).hexdigest()
    front, below = split_card(text)
    data, problem = parse_yaml(front)
    return Card(data, len(below.strip()), digest, _template(text), problem)


def split_card(text: str) -> tuple[str, str]:
    """Split a README.md into front matter (empty where there is none) and text."""
    text = text.removeprefix("\ufeff")
    match = _FRONT_MATTER.match(text)
    return ("", text) if match is None else (match.group(1), text[match.end() :])


def _template(text: str) -> str:
    lowered = " ".join(text.lower().split())
    return next((name for name, marks in TEMPLATES.items() if any(mark in lowered for mark in marks)), "")


def parse_yaml(text: str) -> tuple[dict[str, Any], str]:
    """Parse front matter; return the mapping and the error (empty where there is none)."""
    if len(text) > MAX_FRONT_MATTER:
        return {}, "front matter is longer than 1 MiB"
    text = _ESCAPED_PAIR.sub(_joined_pair, text.replace("\t", "  "))
    try:
        if problem := _excess(text):
            return {}, problem
        loader = _StringLoader(text)
        try:
            node = loader.get_single_node()
            if "*" in text and node is not None and (problem := _alias_excess(node)):
                return {}, problem
            data = None if node is None else loader.construct_document(node)
        finally:
            loader.dispose()
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        mark = getattr(error, "problem_mark", None)
        where = f" at line {mark.line + 1}" if mark is not None else ""
        return {}, f"front matter is not YAML{where}: {cut(str(getattr(error, 'problem', None) or error))}"
    if data is None:
        return {}, ""
    if not isinstance(data, dict):
        return {}, f"front matter is a {type(data).__name__}, not a mapping"
    return {key.strip(): value for key, value in data.items()}, ""


def value_lines(text: str) -> dict[str, dict[str, int]]:
    """Return the lines of a README.md on which its front matter states values.

    Args:
        text: The card.

    Returns:
        For each key of the front matter its own line, under an empty name, and the line of each text below it. Lines
        count from 1. Nothing where there is no front matter that can be read.
    """
    front, below = split_card(text)
    if not front or len(front) > MAX_FRONT_MATTER:
        return {}
    before = text[: len(text) - len(below)]
    first = before.count("\n", 0, before.index(front)) + 1
    front = front.replace("\t", "  ")
    try:
        if _excess(front):
            return {}
        loader = _StringLoader(front)
        try:
            node = loader.get_single_node()
        finally:
            loader.dispose()
    except (yaml.YAMLError, ValueError, RecursionError):
        return {}
    found: dict[str, dict[str, int]] = {}
    for key, value in node.value if isinstance(node, yaml.MappingNode) else ():
        lines = found.setdefault(str(key.value).strip(), {"": key.start_mark.line + first})
        for each in value.value if isinstance(value, yaml.SequenceNode) else [value]:
            if isinstance(each, yaml.ScalarNode):
                lines.setdefault(each.value.strip(), each.start_mark.line + first)
    return found


def _excess(text: str) -> str:
    """Return which bound a text exceeds, without building anything of it; empty where none.

    Raises:
        YAMLError: It is not YAML.
    """
    directives = _DIRECTIVE.findall(text)
    if len(directives) > MAX_DIRECTIVES:
        return f"front matter has more than {MAX_DIRECTIVES} directives"
    if any(len(each) > MAX_DIRECTIVE for each in directives):
        return f"front matter has a directive of more than {MAX_DIRECTIVE} characters"
    flat = text.count("[") + text.count("{") <= _SHALLOW_BRACKETS and not _DEEP_INDENT.search(text)
    if flat and sum(map(text.count, _ENTRY_MARKS)) <= _FEW_ENTRIES:
        return ""
    depth = nodes = 0
    loader = _StringLoader(text)
    try:
        while loader.check_event():
            event = loader.get_event()
            nodes += isinstance(event, yaml.NodeEvent)
            depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
            if depth > MAX_DEPTH:
                return f"front matter is nested more than {MAX_DEPTH} levels deep"
            if nodes > MAX_NODES:
                return f"front matter has more than {MAX_NODES} nodes"
    finally:
        loader.dispose()
    return ""


def _joined_pair(pair: re.Match[str]) -> str:
    """Return the character of a pair of escaped surrogates, which JSON writes so and YAML does not know."""
    return bytes.fromhex(pair.group(1) + pair.group(2)).decode("utf-16-be")


def _alias_excess(node: yaml.Node) -> str:
    """Return which bound a document exceeds with its aliases written out; empty where none.

    A small text with aliases of aliases can stand for billions of nodes, or of copies of a long text, and whatever
    walks over them all would never end.
    """
    nodes, characters = _written_out(node, {})
    if nodes > MAX_NODES:
        return f"front matter has more than {MAX_NODES} nodes with its aliases written out"
    if characters > MAX_CHARACTERS:
        return f"front matter has more than {MAX_CHARACTERS} characters with its aliases written out"
    return ""


def _written_out(node: yaml.Node, sizes: dict[int, tuple[float, float]]) -> tuple[float, float]:
    """Count the nodes of a document and the characters of its texts: infinite where a node is inside itself.

    Each node is visited once.

    Args:
        node: The document.
        sizes: What is known of nodes, by their address in memory.
    """
    if (known := sizes.get(id(node))) is not None:
        return known
    sizes[id(node)] = math.inf, math.inf  # until it is counted: only an alias inside itself sees this
    nodes, characters = 1.0, 0.0
    if isinstance(node, yaml.ScalarNode):
        characters = len(node.value)
    else:
        inner = [each for pair in node.value for each in pair] if isinstance(node, yaml.MappingNode) else node.value
        for more, longer in [_written_out(each, sizes) for each in inner]:
            nodes, characters = nodes + more, characters + longer
    sizes[id(node)] = nodes, characters
    return nodes, characters
