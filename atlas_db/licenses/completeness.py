"""What an audit could not see: models newer than the atlas, and names of parents that no edge follows from."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from atlas_db.core.records import LineageClaim
from atlas_db.core.terms import METHODS, RecordPart, Resolution
from atlas_db.fusion.evidence import MentionEvidence, decode_evidence
from atlas_db.lineage.newest_records import NewestRecords
from atlas_db.store.bolt import Store
from atlas_db.store.statements import Statement

NEWER_MODELS = Statement(
    "UNWIND $ids AS id MATCH (m:Model {id: id}) WHERE substring(coalesce(m.created_at, ''), 0, 10) > $date "
    "OR substring(coalesce(m.last_modified, ''), 0, 10) > $date RETURN m.id AS id ORDER BY id"
)
ALL_NEWER_MODELS = Statement(
    "MATCH (m:Model) WHERE substring(coalesce(m.created_at, ''), 0, 10) > $date "
    "OR substring(coalesce(m.last_modified, ''), 0, 10) > $date RETURN m.id AS id ORDER BY id"
)
UNRESOLVED_PARENTS = Statement(
    "UNWIND $ids AS id MATCH (c:Model {id: id})-[t:CLAIMS_PARENT {source: 'declared'}]->(p:Model) "
    "WHERE t.valid_to IS NULL AND t.resolution IN ['ambiguous', 'absent'] "
    "OPTIONAL MATCH (c)-[d:DERIVED_FROM]->(p) WITH c, t, p, d WHERE d IS NULL "
    "OPTIONAL MATCH (c)-[a:DERIVED_FROM {active: true}]->(:Model) "
    "RETURN c.id AS model, t.mention AS mention, t.resolution AS resolution, p.id AS guess, t.evidence AS evidence, "
    "t.method AS method, count(a) AS parents ORDER BY model, mention"
)
DOUBTFUL_CHILDREN = Statement(
    "MATCH (c:Model)-[t:CLAIMS_PARENT {source: 'declared'}]->(:Model) "
    "WHERE t.valid_to IS NULL AND t.resolution IN ['ambiguous', 'absent'] RETURN DISTINCT c.id AS id ORDER BY id"
)
_BY_AUTHOR = frozenset(
    METHODS[part] for part in (RecordPart.TAGS, RecordPart.CARD, RecordPart.BASE_MODELS, RecordPart.MERGE_CONFIG)
)
"""Parts of a record in which an author names parents; a program writes its paths into the others."""
_NAMED = 3
"""Names in a message, at most."""


def newer_models(store: Store, newest: NewestRecords, models: Sequence[str] | None = None) -> list[str]:
    """Return the models that were created or changed after the newest record.

    Args:
        store: The store.
        newest: Dates of its newest records.
        models: Model ids; None for all.
    """
    if not newest.models:
        return []
    if models is None:
        return [row["id"] for row in store.read(ALL_NEWER_MODELS, date=newest.models)]
    return [row["id"] for row in store.read(NEWER_MODELS, ids=list(models), date=newest.models)]


def named(paths: Sequence[str]) -> str:
    """Return the first of some names, and how many more there are."""
    more = f" and {len(paths) - _NAMED:,} more" if len(paths) > _NAMED else ""
    return ", ".join(paths[:_NAMED]) + more


@dataclass(frozen=True, slots=True)
class UnresolvedParent:
    """A parent that a model names, and that no edge leads to.

    Attributes:
        model: Id of the model.
        mention: The name as written.
        resolution: `ambiguous` or `absent`.
        guess: The likeliest model, where the name is ambiguous.
        candidates: Number of models that the name fits.
        is_path: True for a path on a disk.
    """

    model: str
    mention: str
    resolution: Resolution
    guess: str = ""
    candidates: int = 0
    is_path: bool = False

    def __str__(self) -> str:
        """Return why the parent is not known, without full stop."""
        if self.resolution is Resolution.AMBIGUOUS:
            fits = f"{self.candidates} models" if self.candidates > 1 else "a model, but not surely"
            return f"{self.mention} is ambiguous: it fits {fits}, likeliest {self.guess}"
        if self.is_path:
            return f"{self.mention} is a path on a disk, and names no model"
        return f"{self.mention} is not in this atlas"

    def row(self) -> dict[str, Any]:
        """Return it as a row of the report."""
        return asdict(self)


def _unresolved(
    model: str, mention: str, resolution: str, guess: str, evidence: str, method: str, parents: int
) -> UnresolvedParent | None:
    """Return a parent without an edge from the values of its claim.

    What a program wrote is where it read a parent. Beside a known parent it says nothing new: None.
    """
    found = decode_evidence(evidence)
    known = found if isinstance(found, MentionEvidence) else MentionEvidence()
    state = Resolution(resolution)
    if state is not Resolution.AMBIGUOUS:
        if parents and method not in _BY_AUTHOR:
            return None
        return UnresolvedParent(model, mention, state, is_path=known.looks_like == "path")
    return UnresolvedParent(model, mention, state, guess, max(known.candidates or 0, 1))


def unresolved_of_claims(claims: Iterable[LineageClaim], parents: set[str]) -> list[UnresolvedParent]:
    """Return the parents that claims name, and that are not among those that edges lead to."""
    return _named_once(
        _unresolved(each.child, each.mention, each.resolution, each.parent, each.evidence, each.method, len(parents))
        for each in claims
        if each.parent not in parents and each.resolution in (Resolution.AMBIGUOUS, Resolution.ABSENT)
    )


def unresolved_parents(store: Store, models: Sequence[str]) -> list[UnresolvedParent]:
    """Return the parents that models of the atlas declare, and that no edge leads to.

    Args:
        store: The store.
        models: Model ids.
    """
    rows = store.read(UNRESOLVED_PARENTS, ids=list(models)) if models else []
    return _named_once(_unresolved(**row) for row in rows)


def all_unresolved_parents(store: Store) -> list[UnresolvedParent]:
    """Return the parents that any model of the atlas declares, and that no edge leads to."""
    return unresolved_parents(store, [row["id"] for row in store.read(DOUBTFUL_CHILDREN)])


def _named_once(found: Iterable[UnresolvedParent | None]) -> list[UnresolvedParent]:
    """Return each name of a model once, though several parts of its record state it."""
    return list({(each.model, each.mention): each for each in found if each is not None}.values())
