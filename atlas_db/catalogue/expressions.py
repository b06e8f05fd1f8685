"""Licence expressions of the SPDX grammar (SPDX specification 3.0.1, annex B), and those that people write instead.

`OR` is a choice, `AND` holds all at once, `WITH` adds an exception, and `+` or "or later" includes later versions. A
list in one string (`apache-2.0, cc-by-nc-4.0`) counts as `AND`, a stroke as `OR`, as Cargo reads it. The library
`license-expression` parses the grammar and knows the SPDX ids. The catalogue adds ids of the Hub, aliases and addresses
of texts.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass, replace
from enum import StrEnum
from functools import cache, lru_cache, partial

from license_expression import (
    ExpressionError,
    LicenseSymbol,
    LicenseWithExceptionSymbol,
    Licensing,
    get_spdx_licensing,
)

from atlas_db.catalogue.loader import LicenseFamily, catalogue

MAX_LENGTH = 4096
"""Characters of an expression, at most."""
_URL = re.compile(r"(?:https?://|www\.)[^\s,;()]+")
_QUOTES = re.compile(r"""['"`]""")
_LATER = re.compile(r"(?:\+|-or-later)$")
_REFERENCE = "licenseref-"
_REFERENCES = re.compile(rf"{_REFERENCE}[a-z0-9.-]+", re.IGNORECASE)
# A label that people copy with the id: that of a source file's first line (SPDX specification, annex E), or a field's.
_LABEL = re.compile(r"^(?:#|//|/?\*+)?\s*(?:spdx-)?licen[sc]e(?:-identifier)?\s*[:=]\s*")
_MARKDOWN_LINK = re.compile(r"\[([^\[\]]+)\]\([^()\s]*\)")
_LATER_WORDS = r"(?:or|and) (?:\(?at your option\)?,? )?(?:any )?(?:later|newer)(?: versions?)?"
_OR_LATER = re.compile(rf"(?: ?\({_LATER_WORDS}\)|,? {_LATER_WORDS})(?![\w-])")
_BEFORE_VERSION = re.compile(r",\s+(?=v(?:ersion)?\.?\s*\d)")
_OPERATORS = re.compile(r"([()]|\s(?:and|or|with)\s|\s*[,;]\s+|\s+[&|/+]+\s+)")


class Operator(StrEnum):
    """How the parts of an expression are joined."""

    OR = "OR"
    AND = "AND"


@dataclass(frozen=True, slots=True)
class Expression:
    """One licence, or several under an operator.

    Attributes:
        license: Id of one licence: of the catalogue, else the SPDX id or LicenseRef in lower case. Empty for several.
        exception: SPDX id of its exception in lower case, empty for none.
        operator: How the parts are joined; None for one licence.
        parts: The operands, in the order of their text, each once.
        spdx: The same as an SPDX expression; None where a part is neither an SPDX id nor a LicenseRef.
    """

    license: str = ""
    exception: str = ""
    operator: Operator | None = None
    parts: tuple[Expression, ...] = ()
    spdx: str | None = None

    def __str__(self) -> str:
        """Return the canonical text: ids in lower case, operators in capitals."""
        if self.operator is None:
            return f"{self.license} WITH {self.exception}" if self.exception else self.license
        return f" {self.operator} ".join(
            f"({part})" if part.operator not in (None, self.operator) else str(part) for part in self.parts
        )

    def licenses(self) -> tuple[str, ...]:
        """Return the ids of all licences in it, each once."""
        found = [self.license] if self.operator is None else [each for part in self.parts for each in part.licenses()]
        return tuple(dict.fromkeys(found))


def parse_expression(text: str) -> Expression | None:
    """Return a declared licence as an expression.

    Args:
        text: Licence as declared. Capital letters do not matter, but a LicenseRef of `spdx` has those written.

    Returns:
        None where it is no expression, too long for one, or no part of it is known to the catalogue or the SPDX list.
    """
    found = _parsed(_plain(text)) if len(text) <= MAX_LENGTH else None
    if found is None or found.spdx is None or _REFERENCE not in text.lower():
        return found
    return replace(found, spdx=_REFERENCES.sub(partial(_as_written, text), found.spdx))


def _as_written(text: str, reference: re.Match[str]) -> str:
    """Return a LicenseRef with the capital letters of a text; one of the catalogue has its own."""
    if catalogue().canonical(reference[0].lower()) is not None:
        return reference[0]
    written = (each for each in _REFERENCES.findall(text) if each.lower() == reference[0].lower())
    return f"LicenseRef-{next(written, reference[0])[len(_REFERENCE) :]}"


@lru_cache(maxsize=2**14)
def _parsed(words: str) -> Expression | None:
    whole = catalogue().canonical(_LATER.sub("", words)) if words.endswith("+") else None
    whole = catalogue().canonical(words) or whole
    if whole is not None:
        return _single(words, whole)
    try:
        tree = _licensing().parse(_prepared(words), simple=True)
    except (ExpressionError, ValueError, AssertionError, LookupError, TypeError, RecursionError):
        # The parser is surprised by brackets that hold nothing, or have no operator between them.
        return None
    found = None if tree is None else _read(tree)
    return found if found is not None and any(map(_is_known, found.licenses())) else None


def canonical_expression(text: str) -> str | None:
    """Return the canonical text of a licence expression; None where it is none."""
    found = parse_expression(text)
    return None if found is None else str(found)


@lru_cache(maxsize=2**14)
def has_terms(identifier: str) -> bool:
    """Return whether the catalogue has the terms of a licence or expression.

    Of a choice it must have one, of what holds at once all. An exception leaves the terms known.
    """
    entry = catalogue().get(identifier)
    if entry is not None:
        return entry.family is not LicenseFamily.UNKNOWN
    expression = parse_expression(identifier)
    return expression is not None and _has_terms(expression)


def _has_terms(expression: Expression) -> bool:
    match expression.operator:
        case Operator.OR:
            return any(map(_has_terms, expression.parts))
        case Operator.AND:
            return all(map(_has_terms, expression.parts))
        case _:
            entry = catalogue().get(expression.license)
            return entry is not None and entry.family is not LicenseFamily.UNKNOWN


def _is_known(identifier: str) -> bool:
    entry = catalogue().get(identifier)
    if entry is not None:
        return entry.family is not LicenseFamily.UNKNOWN
    if identifier.startswith(_REFERENCE):
        return True
    # Ids such as `Intel`, `Ruby` and `curl` are words as well: alone, they may mean anything.
    return identifier in _spdx_symbols() and any(each in identifier for each in "-0123456789")


@cache
def _licensing() -> Licensing:
    return get_spdx_licensing()


@cache
def _spdx_symbols() -> dict[str, LicenseSymbol]:
    """Return the symbols of the SPDX list and ScanCode's LicenseDB by id and former id, lower case."""
    symbols = _licensing().known_symbols.values()
    names = {alias.lower(): symbol for symbol in symbols for alias in symbol.aliases}
    return names | {symbol.key.lower(): symbol for symbol in symbols}


@cache
def _long_names() -> re.Pattern[str]:
    """Return a pattern of the catalogue's aliases and titles of several words, longest first."""
    titles = {_QUOTES.sub("", name.lower()) for row in catalogue() for name in (*row.aliases, row.name)}
    names = {title for title in titles if not re.fullmatch(r"[\w.+-]+", title)}
    longest = sorted(names, key=lambda name: (-len(name), name))
    return re.compile(rf"(?<![\w.+-])(?:{'|'.join(map(re.escape, longest))})(?![\w+-]|\.\w)")


def _plain(text: str) -> str:
    """Return a text in lower case, without labels, links, marks that cannot be seen, and a full stop at its end."""
    visible = "".join(each for each in text if unicodedata.category(each) != "Cf")
    words = " ".join(unicodedata.normalize("NFKC", visible).lower().split())
    words = _LABEL.sub("", _MARKDOWN_LINK.sub(r"\1", words)).rstrip(" .,;:!")
    return _OR_LATER.sub("+", words)


def _named(part: str) -> str:
    """Return the id of one licence that an operand names by its title, with its `+`; else the operand."""
    words = part.strip()
    later = "+" if words.endswith("+") else ""
    found = catalogue().canonical(words.removesuffix("+")) if " " in words else None
    return part if found is None else f"{found}{later}"


def _prepared(words: str) -> str:
    """Return a text in the grammar of SPDX: names of several words, addresses and list separators are replaced."""
    text = _QUOTES.sub("", words)
    if text.startswith("[") and text.endswith("]"):
        text = text[1:-1]
    text = _URL.sub(lambda found: catalogue().at_address(found[0]) or found[0], text)
    text = "".join(map(_named, _OPERATORS.split(_BEFORE_VERSION.sub(" ", text))))
    text = _long_names().sub(lambda found: catalogue().canonical(found[0]) or found[0], text)
    text = re.sub(r"\s*[,;]\s*(?=(?:and|or)\b)", " ", text)
    # "A, B or C" is a choice of three.
    joint = " or " if re.search(r"\bor\b", text) and not re.search(r"\band\b", text) else " and "
    text = re.sub(r"\s*[,;]\s*", joint, text.strip(" ,;"))
    text = re.sub(r"\s*&+\s*|\s+\+\s+|(?<=\w)\+(?=[a-z])", " and ", text)
    text = re.sub(r"\s*\|+\s*|\s*/\s*", " or ", text)
    return "".join(map(_named, _OPERATORS.split(text)))


def _read(tree: object) -> Expression | None:
    """Return a tree of the library as an expression; None where an exception is not on the SPDX list."""
    if isinstance(tree, LicenseWithExceptionSymbol):
        symbol = _spdx_symbols().get(tree.exception_symbol.key.lower())
        base = _read(tree.license_symbol)
        return None if symbol is None or not symbol.is_exception or base is None else _excepted(base, symbol.key)
    if isinstance(tree, LicenseSymbol):
        key = tree.key.lower()
        return _single(key, catalogue().canonical(key))
    operator = Operator(getattr(tree, "operator", "").strip().upper())
    parts = [_read(each) for each in getattr(tree, "args", ())]
    known = [part for part in parts if part is not None]
    return _joined(operator, known) if len(known) == len(parts) else None


def _excepted(base: Expression, exception: str) -> Expression:
    """Return a licence with an exception. Of a licence "or later", each version has it."""
    spdx = base.spdx and f"{base.spdx} WITH {exception}"
    parts = tuple(_excepted(part, exception) for part in base.parts)
    return Expression(base.license, "" if parts else exception.lower(), base.operator, parts, spdx)


def _single(name: str, identifier: str | None) -> Expression:
    """Return one licence, by its name and its id in the catalogue; `+` becomes the choice of the later versions."""
    if identifier is None and _LATER.search(name):
        identifier = catalogue().canonical(_LATER.sub("", name))
    entry = catalogue().get(identifier or name)
    spdx = _reference(name, entry.ref if entry is not None else None)
    if entry is None:
        return Expression(name, spdx=spdx)
    if _LATER.search(name) and entry.later and name not in (entry.id, *entry.aliases):
        choices = [_single(each, each) for each in (entry.id, *entry.later)]
        return _joined(Operator.OR, choices, spdx)
    return Expression(entry.id, spdx=spdx)


def _reference(name: str, ref: str | None) -> str | None:
    """Return the SPDX id or LicenseRef of one licence: as written where the list has it, else that of the catalogue."""
    symbol = _spdx_symbols().get(name)
    if symbol is not None and not symbol.is_exception:
        return str(symbol.key)
    if ref is None and name.startswith(_REFERENCE):
        return f"LicenseRef-{name.removeprefix(_REFERENCE)}"
    if ref is not None and _LATER.search(name) and not ref.startswith("LicenseRef-"):
        # GNU's ids say so in words; `+` behind `-only` is no SPDX id.
        return f"{ref.removesuffix('-only')}-or-later" if ref.endswith("-only") else f"{ref}+"
    return ref


def _joined(operator: Operator, parts: Iterable[Expression], spdx: str | None = None) -> Expression:
    """Join expressions: nested ones of the same operator are merged, each part is named once, in alphabetical order."""
    given = [part for _, part in sorted({str(part): part for part in parts}.items())]
    flat = [each for part in given for each in (part.parts if part.operator is operator else (part,))]
    unique = tuple(part for _, part in sorted({str(part): part for part in flat}.items()))
    names = [part.spdx and _grouped(part.spdx, operator) for part in given]
    whole = None if None in names else f" {operator} ".join(filter(None, names))
    if len(unique) == 1:
        return unique[0]
    return Expression(operator=operator, parts=unique, spdx=spdx or whole)


def _grouped(spdx: str, operator: Operator) -> str:
    """Return an SPDX expression as operand of an operator: a choice inside `AND` is in brackets."""
    return f"({spdx})" if operator is Operator.AND and f" {Operator.OR} " in spdx else spdx
