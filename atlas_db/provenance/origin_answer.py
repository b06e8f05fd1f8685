"""The origin of models: fingerprinted, compared with known ones, and answered in words."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any

import msgspec
import numpy as np

from atlas_db.core.terms import MIN_CHARTED_CONFIDENCE, Progress, Relation, is_origin
from atlas_db.fusion.evidence import Evidence
from atlas_db.fusion.evidence_text import RELATION_VERBS, evidence_sentences, names_text, rate_text
from ingest.weights.chart import chart
from ingest.weights.family_regions import region_of
from ingest.weights.fingerprints.fingerprint import Fingerprint
from ingest.weights.pairwise.quantized_copy import QuantizedFrom, decide_quantized, measure_levels
from ingest.weights.parameters.sample_parameters import SAMPLE
from ingest.weights.samples.independence import cosine_of
from ingest.weights.samples.model_families import affected_families
from ingest.weights.samples.resample import Resampler
from ingest.weights.tree.edge import Edge

NEAREST = 5
"""Models that are listed as the nearest."""


class OriginVerdict(StrEnum):
    """Kind of an answer."""

    COMES_FROM = "comes_from"
    COMMON_ORIGIN = "common_origin"
    RELATED = "related"
    UNRELATED = "unrelated"
    NOT_COMPARABLE = "not_comparable"
    NOT_READ = "not_read"


@dataclass(frozen=True, slots=True)
class Neighbour:
    """A known model, compared with the one in question.

    Attributes:
        id: Its id.
        distance: Length of the difference over the length of the known model, 0 for equal weights.
        cosine: Of the two models' compared weights, the mean over tensors, -1 to 1.
        positions: Positions that were compared, 32 weights each.
        false_alarm_rate: Probability that models from independent starts have such a cosine.
    """

    id: str
    distance: float
    cosine: float
    positions: int
    false_alarm_rate: float

    @property
    def related(self) -> bool:
        """Whether unrelated models cannot be so similar, by the rule of families."""
        least = SAMPLE.min_cosine_deviations / math.sqrt(max(self.positions * 32, 1))
        return self.cosine > max(SAMPLE.min_related_cosine, least)


@dataclass(frozen=True, slots=True)
class Parent:
    """A model that the one in question comes from.

    Attributes:
        id: Its id; `origin:` and a hash for a common origin that is not here.
        relation: How the model was made from it.
        confidence: Probability that it is, 0..1.
        false_alarm_rate: Probability of such evidence without the relation; None where none was measured.
        evidence: What it rests on.
        sentences: The same in sentences.
    """

    id: str
    relation: str
    confidence: float
    false_alarm_rate: float | None
    evidence: Evidence
    sentences: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Reading:
    """What was read of a model, and what was not.

    Attributes:
        location: Where its weights lie.
        tensors: Names of the tensors whose weights were sampled.
        positions: Positions of the fingerprint.
        dtype: Type of most elements.
        bytes: Bytes of the weight files.
        problems: What was left out, and why.
    """

    location: str
    tensors: tuple[str, ...] = ()
    positions: int = 0
    dtype: str = ""
    bytes: int = 0
    problems: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class OriginAnswer:
    """Where one model comes from.

    Attributes:
        model: Its id.
        verdict: Kind of the answer.
        text: The answer in sentences.
        parents: What it comes from, the most probable first.
        siblings: Models that share an origin with it which is not here.
        children: Known models that come from it.
        nearest: The nearest known models.
        read: What was read.
        quantized_from: Answer to `--quantized-from`, None without that option.
    """

    model: str
    verdict: OriginVerdict
    text: tuple[str, ...]
    parents: tuple[Parent, ...] = ()
    siblings: tuple[str, ...] = ()
    children: tuple[str, ...] = ()
    nearest: tuple[Neighbour, ...] = ()
    read: Reading = field(default_factory=lambda: Reading(""))
    quantized_from: QuantizedFrom | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return it as JSON values."""
        plain: dict[str, Any] = msgspec.to_builtins(self)
        return plain


@dataclass(frozen=True, slots=True)
class OriginCharts:
    """The charts that answers rest on.

    Attributes:
        charted: The models that were charted together.
        edges: Their edges.
    """

    charted: list[Fingerprint]
    edges: list[Edge]


def chart_with_known(
    queried: Sequence[Fingerprint], known: Sequence[Fingerprint], read: Resampler | None, *, time: bool = True,
    progress: Progress = lambda stage, done, total: None,
) -> OriginCharts:  # fmt: skip
    """Chart models together with the families of known ones that they belong to.

    Args:
        queried: Fingerprints of the models in question.
        known: Fingerprints of known models; one of the same id as a model in question is left out.
        read: Reads larger samples; None where the weights are not to be read again.
        time: Whether dates count as evidence.
        progress: Called with stage, models done and total.
    """
    new = {item.id: item for item in queried}
    every = [item for item in known if item.id not in new] + list(queried)
    region = region_of(affected_families(every, new.keys()), new.keys())
    edges = chart(region.members, read, time=time, children=region.children, progress=progress)
    return OriginCharts(region.members, edges)


def answer_origin(model: Fingerprint, known: Sequence[Fingerprint], charts: OriginCharts) -> OriginAnswer:
    """Return where a model comes from.

    Args:
        model: Its fingerprint.
        known: All models that it is compared with.
        charts: Charts with its family.
    """
    others = [item for item in known if item.id != model.id]
    own = sorted((each for each in charts.edges if each.child == model.id), key=lambda each: -each.confidence)
    kept = [each for each in own if each.confidence >= MIN_CHARTED_CONFIDENCE]
    here = [each for each in kept if not is_origin(each.parent)]
    absent = {each.parent for each in kept} - {each.parent for each in here}
    siblings = sorted({each.child for each in charts.edges if each.parent in absent} - {model.id})
    children = sorted({
        each.child for each in charts.edges
        if each.parent == model.id and each.confidence >= MIN_CHARTED_CONFIDENCE
    })  # fmt: skip
    nearest = nearest_models(model, others)
    answer = OriginAnswer(
        model.id, OriginVerdict.COMES_FROM, (), tuple(_parent(each) for each in kept), tuple(siblings),
        tuple(children), tuple(nearest[:NEAREST]), reading_of(model),
    )  # fmt: skip
    if here:
        return replace(answer, text=_comes_from(model.id, answer.parents))
    if siblings:
        text = f"{model.id} shares a common origin with {names_text(siblings)}; that origin is not among these models."
        return replace(answer, verdict=OriginVerdict.COMMON_ORIGIN, text=(text,))
    return _without_parent(answer, model, others, nearest, own)


def _without_parent(
    answer: OriginAnswer, model: Fingerprint, others: Sequence[Fingerprint], nearest: Sequence[Neighbour],
    weak: Sequence[Edge],
) -> OriginAnswer:  # fmt: skip
    """Return the answer on a model without a parent among the known ones."""
    related = [each.id for each in nearest if each.related]
    below = [f"{names_text(list(answer.children))} {'come' if len(answer.children) > 1 else 'comes'} from {model.id}."]
    if related or answer.children:
        text = [f"{model.id} is related to {names_text(related or list(answer.children))}."]
        text += below if answer.children else []
        if weak:
            guesses = [f"{each.parent} ({each.confidence:.2g})" for each in weak if not is_origin(each.parent)]
            text.append(f"Which of them it comes from is not determined; the likeliest is {names_text(guesses)}.")
        else:
            text.append("No known model is its parent.")
        return replace(answer, verdict=OriginVerdict.RELATED, text=tuple(text))
    if model.adapter:
        text = [f"{model.id} is an adapter, and its weights fit no known base model."]
        if not any(not item.adapter for item in others):
            text = [f"{model.id} is an adapter, and no known model is a base: adapters alone cannot be compared."]
        if model.declared_base:
            text.append(f"Its configuration names {model.declared_base} as its base: this is declared, not measured.")
        return replace(answer, verdict=OriginVerdict.NOT_COMPARABLE, text=tuple(text))
    if not others:
        text = ["There is no known model to compare it with."]
    elif nearest:
        text = [f"Nothing known is related to {model.id}: {len(nearest):,} models of its shape were compared."]
        return replace(answer, verdict=OriginVerdict.UNRELATED, text=tuple(text))
    else:
        text = [f"{model.id} is not comparable with any of the {len(others):,} known models.", _shape_reason(model)]
    return replace(answer, verdict=OriginVerdict.NOT_COMPARABLE, text=tuple(text))


def _shape_reason(model: Fingerprint) -> str:
    if not len(model.sample.keys):
        return "None of its tensors has rows of 32 weights or more, which are what is compared."
    return "None has tensors of the same names and row lengths."


def _comes_from(model: str, parents: Sequence[Parent]) -> tuple[str, ...]:
    out = []
    for each in parents:
        if is_origin(each.id):
            continue
        rate = f", false-alarm rate {rate_text(each.false_alarm_rate)}" if each.false_alarm_rate is not None else ""
        verb = RELATION_VERBS[Relation(each.relation)]
        out.append(f"{model} {verb} {each.id} (relation {each.relation}, confidence {each.confidence:.3g}{rate}).")
    return tuple(out)


def _parent(edge: Edge) -> Parent:
    name = "a model that is not here" if is_origin(edge.parent) else edge.parent
    rate: float | None = getattr(edge.evidence, "false_alarm_rate", None)
    sentences = tuple(evidence_sentences(edge.evidence, edge.child, name))
    return Parent(edge.parent, edge.relation.value, round(edge.confidence, 6), rate, edge.evidence, sentences)


def reading_of(model: Fingerprint) -> Reading:
    """Return what was read of a model for its fingerprint."""
    return Reading(
        model.location, tuple(model.sample.names), len(model.sample.keys), model.dtype, model.size,
        tuple(model.problems),
    )  # fmt: skip


def nearest_models(model: Fingerprint, others: Sequence[Fingerprint]) -> list[Neighbour]:
    """Return the models that share enough positions with a model, the nearest first."""
    found = [near for item in others if not item.adapter and (near := _compare(model, item)) is not None]
    return sorted(found, key=lambda each: (each.distance, each.id))


def _compare(model: Fingerprint, other: Fingerprint) -> Neighbour | None:
    """Return the distance of two models over what they share; None where that is too little."""
    if model.adapter:
        return None
    ours, theirs = model.sample, other.sample
    _, mine, its = np.intersect1d(ours.keys, theirs.keys, return_indices=True)
    if len(mine) < max(1.0, SAMPLE.min_shared_tensors * min(len(ours.keys), len(theirs.keys))):
        return None
    order = np.argsort(mine)
    mine, its = mine[order], its[order]
    a, b = ours.values[mine].astype(np.float64), theirs.values[its].astype(np.float64)
    finite = np.isfinite(a).all(1) & np.isfinite(b).all(1)
    a, b = a[finite], b[finite]
    found = cosine_of(a, b, ours.tensor[mine[finite]].astype(np.int64)) if len(a) else None
    width = float(np.linalg.norm(b))
    if found is None or not width:
        return None
    distance = round(float(np.linalg.norm(a - b)) / width, 6)
    return Neighbour(other.id, distance, round(found.cosine, 6), len(a), found.false_alarm_rate)


def answer_quantized_from(copy: Fingerprint, original: Fingerprint, read: Resampler) -> QuantizedFrom:
    """Return whether a model was quantized from another.

    Args:
        copy: The quantized model.
        original: The model that it is claimed to be made from.
        read: Reads larger samples; where it cannot, those of the fingerprints are compared.
    """
    ours, theirs = (read.sample(item) or item.sample for item in (copy, original))
    return decide_quantized(measure_levels(ours, theirs, copy.dtype))
