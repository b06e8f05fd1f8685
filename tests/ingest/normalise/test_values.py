"""Tests of `ingest/normalise/values.py`."""

from __future__ import annotations

from datetime import datetime

import pytest

from ingest.normalise.values import arxiv_id, card_languages, hub_date, iso_date, strings_in, tag_languages


def test_languages_among_tags() -> None:
    tags = [
        "transformers",
        "opt",
        "trl",
        "vit",
        "art",
        "text-generation",
        "en",
        "no",
        "code",
        "dataset:c4",
        "license:mit",
    ]
    assert tag_languages(tags) == ["en", "no", "code"]
    assert tag_languages(["zh", "art", "ppo", "region:us"]) == ["zh", "art", "ppo"]
    assert tag_languages(["ppo", "LunarLander-v2", "region:us"]) == []
    assert tag_languages([]) == []


@pytest.mark.parametrize(
    ("value", "expected"),
    [(False, ["no"]), ("no", ["no"]), (["en", False, "en"], ["en", "no"]), ("English", ["en"]), ("pt_BR", ["pt-br"]),
     ("klingonese", []), (None, []), (["", 7, {"x": 1}], []), ("multilingual", ["multilingual"])],
)  # fmt: skip
def test_languages_of_cards(value: object, expected: list[str]) -> None:
    assert card_languages(value) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [("1706.03762", "1706.03762"), ("1706.03762v5", "1706.03762"), ("cs/0112017", "cs/0112017"), ("x", ""), ("", ""),
     ("2305.145", ""), ("Math.GT/0309136v1", "math.gt/0309136")],
)  # fmt: skip
def test_arxiv(text: str, expected: str) -> None:
    assert arxiv_id(text) == expected


def test_dates() -> None:
    assert hub_date("2024-05-31T01:02:03.000Z") == "2024-05-31T01:02:03Z"
    assert hub_date("2022-03-02T23:29:04.000Z") is None
    assert hub_date("2022-03-02T23:29:05.000Z") is None
    assert hub_date("2024-05-31T01:02:03+02:00") == "2024-05-30T23:02:03Z"
    assert hub_date(None) is None
    for bad in ("20240-01-01T00:00:00.000Z", "yesterday", "2024-13-01T00:00:00.000Z", "1024-01-01T00:00:00.000Z"):
        with pytest.raises(ValueError, match="."):
            hub_date(bad)


@pytest.mark.parametrize(
    "text",
    ["2023-02-29T10:00:00.000Z", "2024-02-30T00:00:00Z", "2024-04-31T00:00:00Z", "2100-02-29 01:02:03",
     "2024-11-31T00:00:00.000Z", "2024-01-00T00:00:00Z", "2024-06-30T23:59:60Z", "2024-06-30T23:60:00Z",
     "2024-06-30T24:00:00Z", "2024-0\u0663-01T10:20:30Z"],
)  # fmt: skip
def test_days_and_times_that_no_calendar_has(text: str) -> None:
    with pytest.raises(ValueError, match="."):
        hub_date(text)


@pytest.mark.parametrize("day", ["2024-02-29", "2023-02-28", "2024-04-30", "2024-12-31", "2000-02-29"])
def test_last_days_of_months(day: str) -> None:
    stamp = f"{day}T23:59:59"
    assert iso_date(f"{stamp}.000Z") == f"{stamp}Z" == datetime.fromisoformat(stamp).strftime("%Y-%m-%dT%H:%M:%SZ")


def test_strings_in_fields() -> None:
    assert strings_in(["a", {"name": "b"}, None, 3, "a", " "]) == ["a", "b"]
