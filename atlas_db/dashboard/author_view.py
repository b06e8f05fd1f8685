"""The page of an author: what they published, the families they work in, licences, verdicts, and what is downloaded."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

from atlas_db.core.errors import InputError, QueryParameterError
from atlas_db.core.terms import Verdict
from atlas_db.dashboard import figures
from atlas_db.dashboard.aggregates import Bundle
from atlas_db.dashboard.audit_view import NOT_AUDITED
from atlas_db.dashboard.map.model_map import NO_TASK
from atlas_db.dashboard.model_facts import hub_author
from atlas_db.store.bolt import Row, Store
from cypher.query_library import run_query

Page = dict[str, Any]
MAX_READ = 50_000
"""Models of an author that are counted, the most downloaded first."""
TOP = 25
NO_LICENSE = "states none"


def author_page(store: Store, bundle: Bundle, author: str) -> Page:
    """Return what an author published, in numbers and by name.

    Args:
        store: The store.
        bundle: The bundle, which knows the family of each model on the map.
        author: Owner part of the ids.

    Raises:
        InputError: Nothing of this author is in the atlas.
    """
    try:
        rows = run_query(store, "models_of_author", {"author": author, "limit": str(MAX_READ)})[1]
    except QueryParameterError as error:
        raise InputError(error.message, hint=error.hint) from error
    families, alone = bundle.families_of(author)
    dates = sorted(row["created_at"][:10] for row in rows if row["created_at"])
    counts = sorted(Counter(date[:7] for date in dates).items())
    months = [{"month": month, "models": number} for month, number in counts]
    return {
        "author": author,
        "hub": hub_author(author),
        "models": len(rows),
        "all_read": len(rows) < MAX_READ,
        "downloads": sum(row["downloads"] for row in rows),
        "first": dates[0] if dates else None,
        "last": dates[-1] if dates else None,
        "families": families[:TOP],
        "families_in_all": len(families),
        "alone": alone,
        "licenses": _counted(rows, "license", NO_LICENSE),
        "verdicts": _verdicts(rows),
        "tasks": _counted(rows, "pipeline_tag", NO_TASK),
        "months": months,
        "figures": {
            "months": figures.lines(
                months, "month", ["models"], title="new models", across="month of creation",
            )
        } if len(months) > 1 else {},
        "top": [{"model": row["id"], **{name: row[name] for name in _SHOWN}} for row in rows[:TOP]],
    }  # fmt: skip


_SHOWN = ("downloads", "license", "pipeline_tag", "verdict", "created_at")


def _counted(rows: Sequence[Row], name: str, missing: str) -> list[dict[str, Any]]:
    counts = Counter(row[name] or missing for row in rows)
    best = sorted(counts.items(), key=lambda pair: (-pair[1], pair[0]))[:TOP]
    return [{name: value, "models": number, "share": number / len(rows)} for value, number in best]


def _verdicts(rows: Sequence[Row]) -> list[dict[str, Any]]:
    """Return the models of each verdict that occurs, the worst first."""
    counts = Counter(row["verdict"] or NOT_AUDITED for row in rows)
    order = [*map(str, reversed(Verdict)), NOT_AUDITED]
    return [
        {"verdict": name, "models": counts[name], "share": counts[name] / len(rows)} for name in order if counts[name]
    ]
