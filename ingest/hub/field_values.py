"""Values of a row's fields as exporters write them, each brought to the type that the Hub's API gives it.

Exporters turn dates into epochs, counts into floats, lists and objects into text, and missing values into NaN. Each
reader returns None for a missing value, and raises ValueError for one that it cannot read.
"""

from __future__ import annotations

import math
import re
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

from atlas_db.core.decoding import MAX_LITERAL, MalformedError, decode_json, decode_literal
from atlas_db.core.safe_text import shown
from ingest.normalise.values import hub_date, iso_date

MAX_COUNT = 2**63 - 1
"""Largest integer that a store keeps."""
MISSING_WORDS = frozenset({"", "nan", "NaN", "NaT", "None", "null", "NULL", "<NA>"})
"""What pandas, numpy, Python and SQL write for a missing value where a column became text."""
_NOT_A_TIME = -(2**63)
_EPOCH = re.compile(r"-?\d{9,19}(?:\.\d*)?")
# Epochs are told apart by size: 1e11 seconds are in the year 5138, 1e11 milliseconds in 1973.
_EPOCH_UNITS = ((1e11, 1.0), (1e14, 1e3), (1e17, 1e6), (math.inf, 1e9))
# A text without its end goes on to the end of all, and the repeats are possessive, so that this takes linear time.
_QUOTED = r"""'(?:[^'\\]|\\.)*+(?:'|\Z)|"(?:[^"\\]|\\.)*+(?:"|\Z)"""
_QUOTED_STRING = re.compile(_QUOTED, re.DOTALL)
_FILE_NAME = re.compile(rf"""\brfilename['"]?\s*[=:]\s*({_QUOTED})""", re.DOTALL)
_OBJECT_TEXT = re.compile(r"<.*>|[A-Z]\w*\([^=]*=.*\)", re.DOTALL)
_TOTAL = re.compile(r"\btotal=(\d+)")


def is_missing(value: object) -> bool:
    """True for None, NaN, and the words that stand for them in text."""
    if isinstance(value, str):
        return value.strip() in MISSING_WORDS
    return value is None or (isinstance(value, float) and math.isnan(value))


def as_text(value: object) -> str | None:
    """Read a text."""
    if is_missing(value):
        return None
    if isinstance(value, str):
        return value
    raise ValueError(f"{shown(value)} is no text")


def as_count(value: object) -> int | None:
    """Read a count: an integer, a float such as `900.0`, or the text of one."""
    if is_missing(value):
        return None
    found: object = value
    if isinstance(found, str):
        try:
            found = float(found) if not found.strip().isdecimal() else int(found)
        except ValueError:
            found = value
    if isinstance(found, float) and found.is_integer():
        found = int(found)
    if isinstance(found, int) and not isinstance(found, bool) and 0 <= found <= MAX_COUNT:
        return found
    raise ValueError(f"{shown(value)} is no count")


def as_flag(value: object) -> bool | None:
    """Read a flag: true and false, 1 and 0, or the text of one."""
    if is_missing(value):
        return None
    word = value.strip().lower() if isinstance(value, str) else value
    if word in (True, "true", "1", "1.0"):
        return True
    if word in (False, "false", "0", "0.0"):
        return False
    raise ValueError(f"{shown(value)} is neither true nor false")


def as_gate(value: object) -> str | None:
    """Read `gated`: `true`, `false`, or the kind of approval (`auto`, `manual`)."""
    try:
        flag = as_flag(value)
    except ValueError:
        if isinstance(value, str):
            return value.strip().lower()
        raise
    return None if flag is None else str(flag).lower()


def as_date(value: object) -> str | None:
    """Read a date: any ISO 8601 or RFC 5322 form, or an epoch in seconds, milli-, micro- or nanoseconds.

    Returns:
        ISO date in UTC; None where it is missing or the Hub's stamp for unknown.
    """
    return None if is_missing(value) else hub_date(_iso_date(value))


def day_of(text: str) -> str:
    """Return the day of a date that some exporter wrote as text (YYYY-MM-DD), empty where it is none."""
    try:
        return _iso_date(text)[:10]
    except ValueError:
        return ""


def _iso_date(value: object) -> str:
    if isinstance(value, str):
        text = value.strip()
        if not _EPOCH.fullmatch(text):
            return _text_date(text)
        value = float(text)
    if isinstance(value, bool) or not isinstance(value, (int, float)) or abs(value) > -_NOT_A_TIME:
        raise ValueError(f"{shown(value)} is no date")
    if value == _NOT_A_TIME:
        return ""
    unit = next(unit for limit, unit in _EPOCH_UNITS if abs(value) < limit)
    try:
        return iso_date(datetime.fromtimestamp(value / unit, UTC).isoformat())
    except (ValueError, OverflowError, OSError) as error:
        raise ValueError(f"{shown(value)} is no date") from error


def _text_date(text: str) -> str:
    try:
        return iso_date(text.removesuffix(" UTC").removesuffix(" GMT") if text[:1].isdigit() else text)
    except ValueError:
        try:
            return iso_date(parsedate_to_datetime(text).isoformat())
        except (ValueError, OverflowError) as error:
            raise ValueError(f"{shown(text)} is no date") from error


def as_list(value: object) -> list[Any] | None:
    """Read a list: JSON, or what Python and numpy print of one. Entries without a value are left out."""
    if is_missing(value):
        return None
    found = value
    if isinstance(value, str) and value.lstrip().startswith("["):
        found = _printed_strings(value) or from_text(value)
    if isinstance(found, (list, tuple)):
        return [each for each in found if isinstance(each, str) or not is_missing(each)]
    raise ValueError(f"{shown(value)} is no list")


def _printed_strings(text: str) -> list[str]:
    """Return the strings in what numpy prints of an array: quoted, and without commas between them."""
    if len(text) > MAX_LITERAL or re.fullmatch(r"\[\s*\S.*\]", text.strip(), re.DOTALL) is None:
        return []
    if "," in _QUOTED_STRING.sub("", text):
        return []
    return [decode_literal(each) for each in _quoted_only(text, r"[\s\[\]]*")]


def _quoted_only(text: str, between: str) -> list[str]:
    """Return the quoted strings of a text; none where anything else stands between them."""
    return _QUOTED_STRING.findall(text) if re.fullmatch(between, _QUOTED_STRING.sub("", text)) else []


def from_text(text: str) -> Any:  # noqa: ANN401
    """Read an object or list that became text: JSON, else a Python literal.

    Raises:
        ValueError: It is neither.
    """
    try:
        return decode_json(text)[0]
    except ValueError:
        pass
    try:
        return decode_literal(text)
    except MalformedError as error:
        raise ValueError(f"{shown(text)} is neither JSON nor a Python literal") from error


def as_mapping(value: object) -> dict[str, Any] | None:
    """Read an object: a struct, the pairs of an Arrow map, or the text of one.

    A struct in a column has every key of the column, so keys without a value are left out. One without any value is
    missing; an object without keys is not.
    """
    if is_missing(value):
        return None
    found = from_text(value) if isinstance(value, str) else value
    if isinstance(found, list) and found and all(isinstance(each, (list, tuple)) and len(each) == 2 for each in found):
        found = {key: each for key, each in found if isinstance(key, str)}
    if not isinstance(found, dict):
        raise ValueError(f"{shown(value)} is no object")
    kept = {key: each for key, each in found.items() if isinstance(each, str) or not is_missing(each)}
    return kept if kept or not found else None


def as_weights_total(value: object) -> dict[str, Any] | None:
    """Read `safetensors`: an object, or what Python prints of huggingface_hub's `SafeTensorsInfo`."""
    if isinstance(value, str) and (match := _TOTAL.search(value)) is not None and not value.lstrip().startswith("{"):
        return {"total": int(match.group(1))}
    return as_mapping(value)


def as_parents(value: object) -> Any:  # noqa: ANN401
    """Read `baseModels`: the object `{relation, models}`, a list of ids, the text of either, or one id."""
    if isinstance(value, str) and not is_missing(value) and value.lstrip()[:1] not in ("{", "["):
        return [value.strip()]
    is_list = isinstance(value, list) or (isinstance(value, str) and value.lstrip().startswith("["))
    return as_list(value) if is_list else as_mapping(value)


def as_file_names(value: object) -> list[str] | None:
    """Read `siblings` as names: objects, a table of columns, names, or what Python prints of `RepoSibling`.

    One entry that cannot be read makes the list unreadable, since nobody knows then which file is missing. A list
    without any name says nothing: each repository has a file.
    """
    if is_missing(value):
        return None
    found = value
    if isinstance(value, str):
        try:
            found = _printed_strings(value) or from_text(value)
        except ValueError:
            if not (found := _printed_files(value)):
                raise
    if isinstance(found, dict) and isinstance(found.get("rfilename"), list):
        found = found["rfilename"]
    if not isinstance(found, list):
        raise ValueError(f"{shown(value)} is no list of files")
    return [name for each in found if not is_missing(each) for name in [_file_name(each)]] or None


def _file_name(entry: object) -> str:
    name = entry.get("rfilename") if isinstance(entry, dict) else entry
    if isinstance(entry, str) and (printed := _printed_files(entry)):
        name = printed[0]
    if isinstance(name, str) and name.strip() and not _OBJECT_TEXT.fullmatch(name.strip()):
        return name
    raise ValueError(f"the entry {shown(entry)} names no file")


def _printed_files(text: str) -> list[str]:
    """Return the names in what Python prints of files; none where one of them has no name."""
    if len(text) > MAX_LITERAL:
        return []
    names = [decode_literal(each) for each in _FILE_NAME.findall(text)]
    bare = _QUOTED_STRING.sub("", text)
    whole = len(names) == max(text.count("RepoSibling("), bare.count("{")) and "..." not in bare
    return names if whole else []
