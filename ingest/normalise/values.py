"""Normalisation of languages, repository names, arXiv ids and dates."""

from __future__ import annotations

import calendar
import re
from collections.abc import Sequence
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

from atlas_db.core.terms import UNKNOWN_DATE_FLOOR

HUB_LANGUAGES = frozenset({"code", "multilingual"})
_NAMES = {
    "english": "en", "chinese": "zh", "french": "fr", "german": "de", "spanish": "es", "russian": "ru",
    "japanese": "ja", "korean": "ko", "italian": "it", "portuguese": "pt", "arabic": "ar", "hindi": "hi",
    "vietnamese": "vi", "dutch": "nl", "polish": "pl", "turkish": "tr", "thai": "th", "indonesian": "id",
    "swedish": "sv", "finnish": "fi", "danish": "da", "norwegian": "no", "ukrainian": "uk", "czech": "cs",
    "greek": "el", "hebrew": "he", "persian": "fa", "bengali": "bn", "tamil": "ta", "telugu": "te", "urdu": "ur",
}  # fmt: skip
_CODE = re.compile(r"[a-z]{2,3}")
_LONG_CODE = re.compile(r"[a-z]{2,3}(?:[-_][a-z0-9]{2,8})+")
# The Hub writes languages just before the first of these.
_AFTER_LANGUAGES = (
    "dataset:", "arxiv:", "base_model:", "license:", "doi:", "region:", "template:", "diffusers:", "model-index",
    "autotrain_compatible", "endpoints_compatible", "co2_eq_emissions", "has_space",
    "text-generation-inference", "text-embeddings-inference",
)  # fmt: skip
_ARXIV = re.compile(r"(\d{4}\.\d{4,5}|[a-z\-]+(?:\.[a-z]{2})?/\d{7})(?:v\d+)?", re.IGNORECASE)
_DATE = re.compile(r"(\d{4})-(\d\d)-(\d\d)[T ](\d\d):(\d\d):(\d\d)(?:\.\d+)?(?:Z|\+00:00)?", re.ASCII)
_EVERY_MONTH_HAS = "28"


@lru_cache(maxsize=8192)
def is_language_code(tag: str) -> bool:
    """True for a two or three letter code of the IANA language subtag registry (RFC 5646)."""
    if _CODE.fullmatch(tag) is None:
        return False
    import langcodes

    return langcodes.tag_is_valid(tag)


@lru_cache(maxsize=2**16)
def _ends_languages(tag: str) -> bool:
    return tag.startswith(_AFTER_LANGUAGES)


def tag_languages(tags: Sequence[str]) -> list[str]:
    """Pick the languages out of a repository's tags, where they stand bare among everything else.

    Two-letter codes count anywhere. Three-letter codes, `code` and `multilingual` count only where the Hub writes
    languages: in the run just before the first namespaced tag. `trl`, `vit`, `ppo` and `art` are such codes, too.
    """
    end = 0
    for tag in tags:
        if _ends_languages(tag):
            break
        end += 1
    start = end
    while start > 0 and (tags[start - 1] in HUB_LANGUAGES or is_language_code(tags[start - 1])):
        start -= 1
    anywhere = [tag for tag in tags[:start] if len(tag) == 2 and is_language_code(tag)]
    return list(dict.fromkeys([*anywhere, *tags[start:end]]))


def card_languages(value: Any) -> list[str]:  # noqa: ANN401
    """Return the codes in a card's `language`: a code, a name, or a list. False is Norwegian (`no` in YAML 1.1)."""
    found = []
    for entry in value if isinstance(value, list) else [value]:
        text = "no" if entry is False else str(entry).strip().lower() if isinstance(entry, str) else ""
        text = _NAMES.get(text, text)
        if text in HUB_LANGUAGES or is_language_code(text):
            found.append(text)
        elif _LONG_CODE.fullmatch(text) and is_language_code(re.split("[-_]", text)[0]):
            found.append(text.replace("_", "-"))
    return list(dict.fromkeys(found))


def arxiv_id(text: str) -> str:
    """Return an arXiv identifier in lower case without version; empty where the text is not one."""
    match = _ARXIV.fullmatch(text.strip())
    return match.group(1).lower() if match else ""


def strings_in(value: Any) -> list[str]:  # noqa: ANN401
    """Return the strings in a field: a string, a list, or a mapping with `name`; other values give none."""
    found = []
    for entry in value if isinstance(value, list) else [value]:
        if isinstance(entry, dict):
            entry = entry.get("name") or entry.get("id")
        if isinstance(entry, str) and entry.strip():
            found.append(entry.strip())
    return list(dict.fromkeys(found))


def hub_date(text: str | None) -> str | None:
    """Return an ISO date in UTC with seconds; None where it is absent or the Hub's stamp for unknown.

    Raises:
        ValueError: The text is no date between 2000 and 2100.
    """
    if not text:
        return None
    return date if (date := iso_date(text)) > UNKNOWN_DATE_FLOOR else None


def iso_date(text: str) -> str:
    """Return an ISO date in UTC with seconds. A date without a zone is in UTC, as all dates of the Hub are.

    Raises:
        ValueError: The text is no date between 2000 and 2100.
    """
    match = _DATE.fullmatch(text)
    if match is None:
        parsed = datetime.fromisoformat(text)
        try:
            parsed = parsed.replace(tzinfo=UTC) if parsed.tzinfo is None else parsed.astimezone(UTC)
        except OverflowError as error:
            raise ValueError(f"{text!r} is no date") from error
        return iso_date(parsed.strftime("%Y-%m-%dT%H:%M:%SZ"))
    year, month, day, hour, minute, second = match.groups()
    if not (
        "2000" <= year <= "2100"
        and "01" <= month <= "12"
        and day >= "01"
        and (day <= _EVERY_MONTH_HAS or day <= _last_day(year, month))
        and hour < "24"
        and minute < "60"
        and second < "60"
    ):
        raise ValueError(f"{text!r} is no date")
    return f"{year}-{month}-{day}T{hour}:{minute}:{second}Z"


@lru_cache(maxsize=2048)
def _last_day(year: str, month: str) -> str:
    return str(calendar.monthrange(int(year), int(month))[1])
