"""Evidence in plain sentences, and definitions of the terms in them: what people read of a claim.

Sentences name the models, the quantity that was measured, and its value. A term of the glossary is defined in `TERMS`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import singledispatch

from atlas_db.core.terms import Relation
from atlas_db.fusion.evidence import (
    AdapterEvidence,
    CastEvidence,
    CommonOriginEvidence,
    DepthPrunedEvidence,
    DuplicateEvidence,
    Evidence,
    MentionEvidence,
    MergeEvidence,
    OtherComponentsEvidence,
    PermutedEvidence,
    PrunedEvidence,
    QuantizedEvidence,
    RankingEvidence,
    ResidualEvidence,
    RoundedCopyEvidence,
    SameOutputsEvidence,
    SharedPartEvidence,
)

MAX_WORDS = 25
"""Words of a sentence, at most; the names of a list count as one."""
SHOWN_NAMES = 5
"""Names that a sentence lists before it counts the rest."""

TERMS: Mapping[str, str] = {
    "adapter": "A small set of weights that changes a base model, stored without it.",
    "alternative": "Another model that may be the parent instead, with its probability.",
    "common origin": "A model that several others come from, and that is not among the models at hand.",
    "confidence": "Probability that the stated parent and relation are right, from 0 to 1.",
    "containment": "How surely a model holds what its parent had learned before, as log-odds; above 0 means yes.",
    "declared": "Stated by an author in a card, a tag or a configuration file.",
    "distance": "Length of the difference of two models' weights over the length of one of them; 0 for equal weights.",
    "false-alarm rate": "Probability that models without this relation would look at least as much alike.",
    "fingerprint": "A fixed sample of a model's weights at the same positions in every model, with statistics.",
    "inferred": "Computed from the weights alone, whatever the authors state.",
    "merge": "A model whose weights were computed from the weights of several others.",
    "position": "A run of 32 neighbouring weights of one row of one tensor.",
    "quantization grid": "The few values that a compressed format can store in a block of weights.",
    "residual": "What a merge's fit leaves over, over the distance to the nearest model.",
    "tensor": "One named table of weights of a model.",
}
"""Definitions of the terms that the sentences use."""

RELATION_VERBS: Mapping[Relation, str] = {
    Relation.FINETUNE: "was trained on from",
    Relation.ADAPTER: "is an adapter of",
    Relation.QUANTIZED: "is a quantized copy of",
    Relation.MERGE: "is a merge with",
    Relation.DUPLICATE: "is a copy of",
}
"""Verb of each relation, from a child to its parent."""
_RELATION_SOURCES: Mapping[str, str] = {
    "typed": "The author states the relation, too.",
    "word": "The relation was read from the author's own word for it.",
    "gguf": "The relation was read from the header of a GGUF file.",
    "tags": "The relation was read from the tags.",
    "name": "The relation was read from the model's name.",
    "tags+name": "The relation was read from the tags and the model's name.",
    "library": "The relation was read from the library: it makes adapters.",
    "parents": "Several parents are named: it was taken for a merge.",
    "default": "No relation is stated: it was taken for a fine-tune, as most are.",
}
"""By the source of a declared relation (`atlas_db/claims/relations.py`)."""


def names_text(names: Sequence[str]) -> str:
    """Return names as a list in words; of many, the first and the number of the others."""
    shown, more = list(names[:SHOWN_NAMES]), len(names) - SHOWN_NAMES
    if more > 0:
        return f"{', '.join(shown)} and {more:,} more"
    return " and ".join(filter(None, (", ".join(shown[:-1]), *shown[-1:])))


def share_text(share: float) -> str:
    """Return a share as a percentage. What is not whole is never shown as 100 %, nor what is there as 0 %."""
    if share >= 1:
        return "100 %"
    return "more than 99.9 %" if share > 0.999 else "less than 0.1 %" if 0 < share < 0.001 else f"{100 * share:.1f} %"


def rate_text(rate: float) -> str:
    """Return a false-alarm rate as text, with two digits."""
    return f"{rate:.2g}" if rate >= 1e-12 else "below 1e-12"


def evidence_sentences(evidence: Evidence, child: str, parent: str) -> list[str]:
    """Return what a claim rests on, as sentences.

    Args:
        evidence: The evidence.
        child: Name of the model that the claim is about.
        parent: Name of its parent; of a common origin that is not here, any text.
    """
    out = _sentences(evidence, child, parent)
    if evidence.output_difference is not None:
        out.append(f"On fixed inputs the outputs of the two differ by {share_text(evidence.output_difference)}.")
    if evidence.alternatives:
        others = sorted(evidence.alternatives.items(), key=lambda item: (-item[1], item[0]))
        out.append(f"Instead, the parent may be {names_text([f'{name} ({share:.2g})' for name, share in others])}.")
    return out


def terms_in(sentences: Sequence[str]) -> dict[str, str]:
    """Return definitions of the terms that sentences use, by term."""
    text = " ".join(sentences).lower()
    return {term: meaning for term, meaning in TERMS.items() if term in text}


@singledispatch
def _sentences(evidence: Evidence, child: str, parent: str) -> list[str]:
    raise TypeError(f"{type(evidence).__name__} has no sentence: add one to this module")


@_sentences.register
def _(evidence: DuplicateEvidence, child: str, parent: str) -> list[str]:
    return [f"All compared weights of {child} equal those of {parent}."]


@_sentences.register
def _(evidence: PermutedEvidence, child: str, parent: str) -> list[str]:
    return [f"{child} has the weights of {parent}, with neurons or heads in another order."]


@_sentences.register
def _(evidence: SameOutputsEvidence, child: str, parent: str) -> list[str]:
    return [f"{child} has other weights than {parent}, but gives the same outputs on fixed inputs."]


@_sentences.register
def _(evidence: RoundedCopyEvidence, child: str, parent: str) -> list[str]:
    return [f"{_explained(evidence, child)} are those of {parent}, up to the rounding of the stored type."]


@_sentences.register
def _(evidence: CastEvidence, child: str, parent: str) -> list[str]:
    return [f"{_explained(evidence, child)} are those of {parent}, rounded to a narrower number type."]


@_sentences.register
def _(evidence: QuantizedEvidence, child: str, parent: str) -> list[str]:
    grid = f" {evidence.grid}" if evidence.grid else ""
    return [f"{_explained(evidence, child)} are those of {parent}, rounded to the quantization grid{grid}."]


@_sentences.register
def _(evidence: PrunedEvidence, child: str, parent: str) -> list[str]:
    grid = [f"The rest lies on the quantization grid {evidence.grid}."] if evidence.grid else []
    zeros = f"{share_text(evidence.zeros)} of its weights were set to zero."
    return [f"{_explained(evidence, child)} are those of {parent}, or zero.", zeros, *grid]


@_sentences.register
def _(evidence: DepthPrunedEvidence, child: str, parent: str) -> list[str]:
    return [
        f"{child} holds {share_text(evidence.kept)} of the compared tensors of {parent}; the others were cut off.",
        f"{_explained(evidence, child)} are those of {parent}.",
    ]


@_sentences.register
def _(evidence: OtherComponentsEvidence, child: str, parent: str) -> list[str]:
    return [
        f"All compared weights of the denoiser of {child} equal those of {parent}.",
        f"Not equal, or not read in both: {names_text(evidence.components)}.",
    ]


@_sentences.register
def _(evidence: ResidualEvidence, child: str, parent: str) -> list[str]:
    out = [f"The distance of {child} to {parent} is {evidence.distance:.3g}."]
    if evidence.containment_log_odds:
        found = "is found" if evidence.containment_log_odds > 0 else "is not found"
        out.append(
            f"What {parent} had learned before {found} in {child} (containment {evidence.containment_log_odds:+.1f})."
        )
    if evidence.common_origin:
        out.append(f"That both only share a common origin, not here, has the probability {evidence.common_origin:.2g}.")
    if evidence.further_ancestor:
        out.append(
            f"That a model between them is not here has the probability {evidence.further_ancestor:.2g}, "
            "a part of the confidence."
        )
    if evidence.false_alarm_rate is not None:
        out.append(f"Of siblings and cousins, the false-alarm rate is {rate_text(evidence.false_alarm_rate)}.")
    return out


@_sentences.register
def _(evidence: CommonOriginEvidence, child: str, parent: str) -> list[str]:
    return [
        f"{child} shares a common origin with {names_text(evidence.siblings)}.",
        "Their distances add up at a point where no known model is.",
    ]


@_sentences.register
def _(evidence: SharedPartEvidence, child: str, parent: str) -> list[str]:
    how = "are those" if evidence.exact else "are close to those"
    return [
        f"{share_text(evidence.shared)} of the tensors in the blocks of {child} and {parent} have the same sides.",
        f"The weights in them {how} of {parent}.",
    ]


@_sentences.register
def _(evidence: MergeEvidence, child: str, parent: str) -> list[str]:
    base = f", on the base {evidence.base}" if evidence.base else ""
    method = evidence.method.replace("_", " ")
    return [
        f"{child} is a merge by the method {method}{base}, with weight {evidence.weight:.3g} for {parent}.",
        f"The fit leaves a residual of {evidence.residual:.3g}.",
    ]


@_sentences.register
def _(evidence: AdapterEvidence, child: str, parent: str) -> list[str]:
    out = [f"The configuration of {child} names {parent} as its base: this is declared."] if evidence.declared else []
    if evidence.z is not None:
        kind = f" of the kind {evidence.kind}" if evidence.kind else ""
        rank = f" of rank {evidence.rank}" if evidence.rank else ""
        out.append(f"The adapter{kind}{rank} fits {parent} by {evidence.z:.3g} standard deviations more than chance.")
    elif evidence.kind or evidence.rank:
        out.append(
            f"The adapter is of the kind {evidence.kind or 'unknown'}, with the rank {evidence.rank or 'unknown'}."
        )
    if evidence.equal_table is not None:
        equal = "equals" if evidence.equal_table else "differs from"
        out.append(f"The adapter's own copy of the embedding table {equal} that of {parent}.")
    if evidence.absent is not None:
        out.append(f"That its base is none of the models here has the probability {evidence.absent:.2g}.")
    return out or [f"{child} is an adapter, and {parent} its likeliest base."]


@_sentences.register
def _(evidence: MentionEvidence, child: str, parent: str) -> list[str]:
    out = [f"The author of {child} names {parent}: this is declared."]
    details: dict[str, Callable[[], str]] = {
        "relation_source": lambda: _RELATION_SOURCES.get(
            evidence.relation_source, f"The relation was read from {evidence.relation_source}."
        ),
        "cleaned": lambda: "The name matched after stray characters were removed.",
        "owner_now": lambda: f"The owner of that name is called {evidence.owner_now} today.",
        "names_in_common": lambda: f"Both owners have {evidence.names_in_common:,} names of repositories in common.",
        "candidates": lambda: f"The name could mean {evidence.candidates:,} models.",
        "share": lambda: f"This one has {share_text(evidence.share or 0)} of their weighted downloads.",
        "downloads": lambda: f"It has {evidence.downloads:,} downloads.",
        "same_owner": lambda: f"Both models have {'one owner' if evidence.same_owner else 'different owners'}.",
        "renamed_on": lambda: f"The former name was last seen on {evidence.renamed_on}.",
        "renamed_in": lambda: f"{evidence.renamed_in:,} models show that renaming.",
        "dropped": lambda: "The card names it, and the Hub's list of the same date does not.",
        "looks_like": lambda: f"The name looks like {evidence.looks_like}, not like a model.",
        "child_older": lambda: f"{child} is older than {parent}.",
        "relation_word": lambda: f"The author's word for the relation is {evidence.relation_word}.",
        "merge_method": lambda: f"A merge configuration states the method {evidence.merge_method}.",
        "weight": lambda: f"It states the weight {evidence.weight:.3g} for {parent}.",
        "density": lambda: f"It keeps {share_text(evidence.density or 0)} of the task vector of {parent}.",
        "merge_base": lambda: f"It states {parent} as the base of the merge.",
    }
    out += [text() for name, text in details.items() if getattr(evidence, name) not in ("", 0, None, False)]
    if evidence.same_owner is False:
        out.append(details["same_owner"]())
    if evidence.name_confidence < 1:
        out.append(f"That the name means this model has the confidence {evidence.name_confidence:.2g}.")
    if evidence.relation_confidence < 1:
        out.append(f"That the relation is right has the confidence {evidence.relation_confidence:.2g}.")
    return out


@_sentences.register
def _(evidence: RankingEvidence, child: str, parent: str) -> list[str]:
    out = [f"{parent} is predicted for {child} from what similar models declare."]
    out += [
        f"Of {count.total:,} models of the group {name}, {count.positives:,} declare it."
        for name, count in sorted(evidence.groups.items())
    ]
    if evidence.derived_probability is not None:
        out.append(f"That {child} has any parent has the probability {evidence.derived_probability:.2g}.")
    if evidence.no_declaration_probability is not None:
        out.append(f"That its author would name none has the probability {evidence.no_declaration_probability:.2g}.")
    return out


def _explained(evidence: RoundedCopyEvidence, child: str) -> str:
    return f"{share_text(evidence.explained)} of the compared weights of {child}"
