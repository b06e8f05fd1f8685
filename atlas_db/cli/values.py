"""Completion of values in the shell: names of queries, profiles, licences, and ids of models.

A completion must be fast and silent. So ids come from a snapshot, or from a store whose engine runs already.
"""

from __future__ import annotations

from collections.abc import Iterable

import typer

from atlas_db.core.errors import AtlasError

MAX_IDS = 50
"""Ids that are offered at once, the most downloaded first."""


def _beginning(names: Iterable[str], typed: str) -> list[str]:
    return [name for name in names if name.startswith(typed)]


def query_names(incomplete: str) -> list[tuple[str, str]]:
    """Return the shipped queries that begin so, with their titles."""
    from cypher.query_library import queries

    return [(query.name, query.title) for query in queries().values() if query.name.startswith(incomplete)]


def query_parameters(ctx: typer.Context, incomplete: str) -> list[str]:
    """Return the parameters of the query that was typed before, as NAME=; for a model's, ids."""
    from cypher.query_library import queries

    # An option without its value stops the parser, so that the name of the query is among the words left over.
    words = [*ctx.args, str(ctx.params.get("name") or ctx.params.get("query") or "")]
    query = next((queries()[word] for word in words if word in queries()), None)
    if query is None:
        return []
    name, equals, value = incomplete.partition("=")
    if not equals:
        return _beginning((f"{parameter.name}=" for parameter in query.parameters), name)
    known = next((parameter for parameter in query.parameters if parameter.name == name), None)
    if known is None:
        return []
    found = _beginning(known.choices, value) or (model_ids(ctx, value) if known.label == "Model" else [])
    return [f"{name}={each}" for each in (found or (license_ids(value) if known.label == "License" else []))]


def profiles(incomplete: str) -> list[str]:
    """Return the profiles of the audit that begin so."""
    from atlas_db.licenses.rules import profiles as shipped

    return _beginning(shipped(), incomplete)


def license_ids(incomplete: str) -> list[str]:
    """Return the ids of the licence catalogue that begin so."""
    from atlas_db.catalogue.loader import catalogue

    return _beginning(sorted(row.id for row in catalogue()), incomplete)


def model_ids(ctx: typer.Context, incomplete: str) -> list[str]:
    """Return ids of models in a running store, or in a snapshot, that begin so."""
    from atlas_db.core.settings import load_settings
    from atlas_db.snapshot.opening import is_snapshot, open_atlas
    from atlas_db.store.connect import local_place
    from atlas_db.store.contents import models_beginning
    from atlas_db.store.managed_engine import read_state

    try:
        settings = load_settings(store=ctx.params.get("store"))
        place = local_place(settings)
        if not is_snapshot(settings) and (place is None or read_state(place[1]) is None):
            return []
        with open_atlas(settings, to_read=True) as store:
            return models_beginning(store, incomplete, MAX_IDS)
    except AtlasError:
        return []
