"""What a lineage claim rests on: a tagged union with one writer and one reader.

The field `test` is the tag. It names the test that found the edge, or `mention` of a declared parent and `ranking` of a
predicted one. The graph stores the union as JSON; `encode_evidence` writes it and `decode_evidence` reads it.
"""

from __future__ import annotations

from typing import Any

import msgspec

from atlas_db.core.errors import EvidenceError


class Evidence(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="test"):
    """What every kind of evidence has.

    Attributes:
        alternatives: Other models that may be the parent instead, each with its probability.
        output_difference: Relative difference of the outputs on probe inputs, None where not both were run.
    """

    alternatives: dict[str, float] = {}
    output_difference: float | None = None


class DuplicateEvidence(Evidence, frozen=True, tag="duplicate"):
    """The same weights, element by element."""


class PermutedEvidence(Evidence, frozen=True, tag="permuted"):
    """The same weights after undoing a permutation of neurons and heads (2209.04836)."""


class SameOutputsEvidence(Evidence, frozen=True, tag="same outputs"):
    """Other weights, equal outputs on probe inputs: functional equivalence."""


class RoundedCopyEvidence(Evidence, frozen=True, tag="same"):
    """The parent's weights up to the rounding of the stored type.

    Attributes:
        explained: Share of elements that the parent's values explain, 0..1.
    """

    explained: float


class CastEvidence(RoundedCopyEvidence, frozen=True, tag="cast"):
    """The parent's weights in a narrower floating-point type."""


class QuantizedEvidence(RoundedCopyEvidence, frozen=True, tag="quantized"):
    """The parent's weights on a quantization grid.

    Attributes:
        grid: Grid that was detected.
    """

    grid: str = ""


class PrunedEvidence(RoundedCopyEvidence, frozen=True, tag="pruned"):
    """The parent's weights, some of them set to zero.

    Attributes:
        zeros: Share of zeros, 0..1.
        grid: Grid that was detected, if any.
    """

    zeros: float
    grid: str = ""


class DepthPrunedEvidence(RoundedCopyEvidence, frozen=True, tag="depth_pruned"):
    """The parent's weights without some of its tensors: layers were cut off, or one part was saved alone.

    Attributes:
        kept: Share of the sampled tensors in the parent's blocks that the child has, 0..1.
    """

    kept: float


class OtherComponentsEvidence(Evidence, frozen=True, tag="other_components"):
    """A pipeline with the denoiser of another, weight by weight, and other components.

    Attributes:
        components: Names of the components that both do not have in common, or that were not read.
    """

    components: list[str]


class SharedPartEvidence(Evidence, frozen=True, tag="shared_part"):
    """Tensors that models of different shapes have in common, such as the attention of a model with fewer neurons.

    Attributes:
        exact: Whether they are the same up to storage.
        shared: Share of the tensors in blocks of both models that both have with the same sides, 0..1.
    """

    exact: bool
    shared: float


class ResidualEvidence(Evidence, frozen=True, tag="residual"):
    """The weights contain the parent's small-singular-value residual.

    Attributes:
        containment_log_odds: Log-odds that they contain it; 0 below a root.
        distance: Distance to the parent over the parent's length.
        common_origin: Probability that it is no ancestor, but comes from the same origin, which is not here.
        further_ancestor: Probability that it is an ancestor, and the parent between is not here; a part of the
            confidence.
        false_alarm_rate: Share of siblings and cousins that look as much like an ancestor (a p-value).
    """

    containment_log_odds: float
    distance: float
    common_origin: float = 0.0
    further_ancestor: float = 0.0
    false_alarm_rate: float | None = None


class CommonOriginEvidence(Evidence, frozen=True, tag="common_origin"):
    """Siblings whose parent is not among the models: their distances add up at a point where no model is.

    Attributes:
        siblings: Ids of the other models that come from it.
    """

    siblings: list[str]


class MergeEvidence(Evidence, frozen=True, tag="merge"):
    """A combination of several parents.

    Attributes:
        method: Its name in mergekit, as linear or model_stock. Several have a bar between them, where the weights do
            not separate them. dare stands for DARE, linear or TIES, of a quantized merge. moe is a mixture of experts,
            partial_linear a linear merge that some tensors show.
        weight: Weight of this parent; of a mixture of experts its share of them.
        residual: What the fit leaves over, over the distance to the nearest model. Where some tensors show the merge,
            the share of elements in the others.
        base: Model that the task vectors start from, empty where the method has none.
    """

    method: str
    weight: float
    residual: float
    base: str = ""


class AdapterEvidence(Evidence, frozen=True, tag="adapter"):
    """An adapter whose update fits the weights of this base.

    Attributes:
        kind: Kind of the adapter, such as LoRA or DoRA.
        z: Fit of the base's weights against chance, in standard deviations; None where it was not measured.
        equal_table: Whether the adapter's own copy of a table of its base equals this base's; None without one.
        absent: Probability that the base is none of the models here, 0..1.
        rank: Rank of the adapter.
        declared: True where the adapter's own configuration names the base.
    """

    kind: str = ""
    z: float | None = None
    equal_table: bool | None = None
    absent: float | None = None
    rank: int | None = None
    declared: bool = False


class MentionEvidence(Evidence, frozen=True, tag="mention"):
    """A name that an author wrote, resolved to a model (entity linking).

    Attributes:
        name_confidence: That the name means this model, 0..1.
        relation_confidence: That the relation is the one stated, 0..1.
        relation_source: What the relation was read from.
        cleaned: True where the name matched after removing dirt.
        owner_now: Owner under which the names of a former owner are found.
        names_in_common: Repositories that both owners' names share.
        candidates: Models that the name could mean.
        share: Share of the likeliest among them, by weighted downloads, 0..1.
        downloads: Its downloads.
        same_owner: True where child and parent have one owner.
        renamed_on: Date of the last snapshot in which a card has the former id and the Hub's list that of today.
        renamed_in: Models whose card and list show that renaming.
        dropped: True where the card names it and the Hub's list of the same date does not.
        looks_like: What the name is instead of an id.
        child_older: True where the child is older than the parent.
        relation_word: The relation as written, where it is none of the Hub's.
        merge_method: Merge method that a merge configuration states, by mergekit's name.
        weight: Weight of the parent in that merge.
        density: Share of its task vector that is kept, 0..1.
        merge_base: True of the base model of that merge.
    """

    name_confidence: float = 1.0
    relation_confidence: float = 1.0
    relation_source: str = ""
    cleaned: bool = False
    owner_now: str = ""
    names_in_common: int = 0
    candidates: int = 0
    share: float | None = None
    downloads: int | None = None
    same_owner: bool | None = None
    renamed_on: str = ""
    renamed_in: int = 0
    dropped: bool = False
    looks_like: str = ""
    child_older: bool = False
    relation_word: str = ""
    merge_method: str = ""
    weight: float | None = None
    density: float | None = None
    merge_base: bool = False


class GroupCount(msgspec.Struct, frozen=True):
    """How often a value is declared in a group.

    Attributes:
        positives: Models of the group that declare the value.
        total: Models of the group that declare any.
    """

    positives: int
    total: int


class RankingEvidence(Evidence, frozen=True, tag="ranking"):
    """Why a value was predicted.

    Attributes:
        groups: The groups that count most, by name.
        no_declaration_probability: That the author would name no parent, 0..1; None for other attributes.
        derived_probability: That there is a parent, 0..1; None for other attributes.
    """

    groups: dict[str, GroupCount] = {}
    no_declaration_probability: float | None = None
    derived_probability: float | None = None


AnyEvidence = (
    DuplicateEvidence
    | PermutedEvidence
    | SameOutputsEvidence
    | RoundedCopyEvidence
    | CastEvidence
    | QuantizedEvidence
    | PrunedEvidence
    | DepthPrunedEvidence
    | OtherComponentsEvidence
    | SharedPartEvidence
    | ResidualEvidence
    | CommonOriginEvidence
    | MergeEvidence
    | AdapterEvidence
    | MentionEvidence
    | RankingEvidence
)
_ENCODER = msgspec.json.Encoder(order="sorted")
_DECODER: msgspec.json.Decoder[AnyEvidence] = msgspec.json.Decoder(AnyEvidence)


def encode_evidence(evidence: Evidence) -> str:
    """Return evidence as JSON with sorted keys."""
    return _ENCODER.encode(evidence).decode()


def evidence_fields(text: str | None) -> dict[str, Any] | None:
    """Return stored evidence as a mapping to show, that of older versions, too; None where a claim has none.

    Raises:
        EvidenceError: The text is no mapping in JSON.
    """
    if not text:
        return None
    try:
        return msgspec.json.decode(text, type=dict[str, Any])
    except msgspec.DecodeError as error:
        raise _unreadable(text, error) from error


def decode_evidence(text: str) -> AnyEvidence:
    """Return the evidence that a claim stores.

    Raises:
        EvidenceError: The text is no evidence of this version.
    """
    try:
        return _DECODER.decode(text)
    except msgspec.DecodeError as error:
        raise _unreadable(text, error) from error


def _unreadable(text: str, error: msgspec.DecodeError) -> EvidenceError:
    return EvidenceError(f"the evidence {text[:200]!r} cannot be read: {error}", hint="Load and chart into a new store")
