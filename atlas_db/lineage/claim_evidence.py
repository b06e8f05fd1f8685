"""The claims behind edges of lineage: who states it, how it was found, and what it rests on, in sentences."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from atlas_db.core.errors import EvidenceError
from atlas_db.core.terms import Relation, Resolution, Source, is_origin
from atlas_db.fusion.evidence import decode_evidence, evidence_fields
from atlas_db.fusion.evidence_text import RELATION_VERBS, evidence_sentences
from atlas_db.store.bolt import Store
from atlas_db.store.statements import Statement

_CLAIMS = Statement(
    "UNWIND $children AS id MATCH (m:Model {id: id})-[r:CLAIMS_PARENT]->(p:Model) "
    "RETURN id AS child, p.id AS parent, r.source AS source, r.relation AS relation, r.confidence AS confidence, "
    "r.method AS method, r.mention AS mention, r.resolution AS resolution, r.evidence AS evidence, "
    "r.first_seen AS first_seen, r.valid_to AS valid_to ORDER BY child, parent, source, mention"
)
_CHUNK = 5000
"""Models of which one statement reads the claims."""
_RESOLUTIONS = {
    Resolution.EXACT: "a model of exactly this name is here",
    Resolution.CASE: "the same name in other case",
    Resolution.RENAMED: "it has another name now",
    Resolution.AMBIGUOUS: "several models could be meant",
    Resolution.ABSENT: "no such model is in this atlas",
    Resolution.SELF_LOOP: "it names itself, which is not followed",
    Resolution.CYCLE: "it would close a circle, which is not followed",
    Resolution.GONE: "the Hub no longer lists it",
}
_SOURCES = {
    Source.DECLARED: "Its publisher states",
    Source.INFERRED: "Its weights show",
    Source.PREDICTED: "The completion guesses",
}


def read_lineage_claims_of(store: Store, children: Iterable[str]) -> list[dict[str, Any]]:
    """Return all claims on the parents of models, those no longer stated, too.

    Args:
        store: An open store.
        children: Ids of the models.

    Returns:
        One mapping a claim, by child, parent and source: its properties, `evidence` as a mapping, `words`
        (`claim_words`) and `sentences` (`atlas_db/fusion/evidence_text.py`).
    """
    ids = list(dict.fromkeys(children))
    parts = (ids[start : start + _CHUNK] for start in range(0, len(ids), _CHUNK))
    rows = [row for part in parts for row in store.read(_CLAIMS, children=part)]
    for row in rows:
        text = row["evidence"]
        row["evidence"] = evidence_fields(text)
        row["words"] = claim_words(row)
        row["sentences"] = _sentences(text, row["child"], row["parent"])
    return rows


def claim_words(claim: Mapping[str, Any]) -> str:
    """Return a claim of lineage as a sentence."""
    source = Source(claim["source"])
    words = f"{_SOURCES[source]} that it {RELATION_VERBS[Relation(claim['relation'])]} {parent_words(claim['parent'])}"
    if source is Source.DECLARED:
        words += f", written “{claim['mention']}” ({_RESOLUTIONS[Resolution(claim['resolution'])]})"
    since = f"first seen {claim['first_seen']}" if claim["first_seen"] else "date unknown"
    if claim["valid_to"]:
        since += f", no longer stated since {claim['valid_to']}"
    return f"{words}. Read by {claim['method']}, confidence {claim['confidence']:.2f}, {since}."


def parent_words(parent: str) -> str:
    """Return the name of a parent as people read it."""
    return "an origin that is not here" if is_origin(parent) else parent


def _sentences(evidence: str | None, child: str, parent: str) -> list[str]:
    if not evidence:
        return []
    try:
        return evidence_sentences(decode_evidence(evidence), child, parent_words(parent))
    except EvidenceError:
        # A store of an older version: the figures are there, the sentences are not.
        return []
