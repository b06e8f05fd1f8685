"""Similarity of models by their outputs on fixed inputs.

Two measures:

- linear centred kernel alignment (CKA) of the last layers (Kornblith et al., arXiv 1905.00414):
  CKA(X, Y) = ⟨XXᵀ, YYᵀ⟩ / (‖XXᵀ‖ · ‖YYᵀ‖) with centred states X, Y. It needs no common width, head or unit order;
- relative difference of the outputs: ‖x - y‖ / max(‖x‖, ‖y‖), where both have outputs of the same shape. Models below
  `PROBE.max_equal_difference` are functionally equal.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np

from ingest.weights.parameters.probe_parameters import PROBE
from ingest.weights.probes.forward_probe import GRAM_LENGTH
from ingest.weights.probes.probe_table import Probe


class Similarity(NamedTuple):
    """Similarity of another model.

    Attributes:
        model: Its id.
        kind: Kind of the inputs: tokens, text, image or audio.
        similarity: Linear CKA of the last layers, 0..1.
        difference: Relative difference of the outputs; None where their shapes differ.
    """

    model: str
    kind: str
    similarity: float
    difference: float | None


def rank_similar(probes: Sequence[Probe], candidates: Iterable[Probe], limit: int = 10) -> list[Similarity]:
    """Return the models with the most similar outputs.

    Args:
        probes: Probes of one model, one a kind of inputs.
        candidates: Probes of other models; those of the same id are left out.
        limit: Models at most.

    Returns:
        The most similar first. Sentences are preferred to token ids, which are other text to another tokenizer.
    """
    own_probes = {item.kind: item for item in probes}
    best: dict[str, tuple[bool, Similarity]] = {}
    for item in candidates:
        own = own_probes.get(item.kind)
        if own is None or item.id == own.id:
            continue
        found = Similarity(item.id, item.kind, float(own.gram @ item.gram), output_difference(own, item))
        if item.id not in best or item.kind == "text":
            best[item.id] = (item.kind == "text", found)
    ranked = (found for _, found in best.values())
    return sorted(ranked, key=lambda each: (-round(each.similarity, 6), each.difference or 0.0, each.model))[:limit]


def output_difference(left: Probe, right: Probe) -> float | None:
    """Return the relative difference of two models' outputs; None where their shapes differ."""
    if left.signature != right.signature or left.kind != right.kind:
        return None
    longer = max(float(np.linalg.norm(left.outputs)), float(np.linalg.norm(right.outputs)), 1e-30)
    return float(np.linalg.norm(left.outputs - right.outputs)) / longer


def functionally_equal(probes: Sequence[Probe]) -> list[tuple[str, str, float]]:
    """Return pairs of functionally equal models, and the greatest relative difference of their outputs.

    Models are sorted by the length of their outputs, so that only models of nearly the same length are compared.
    Outputs that are all zero are no evidence.

    Args:
        probes: In any order.

    Returns:
        Pairs (first id, second id, difference), sorted; the first id is the lesser.
    """
    groups: dict[tuple[str, str], list[tuple[float, Probe]]] = defaultdict(list)
    for item in probes:
        length = float(np.linalg.norm(item.outputs))
        if length > PROBE.min_output_norm:
            groups[item.kind, item.signature].append((length, item))
    pairs: dict[tuple[str, str], float] = {}
    for members in groups.values():
        members.sort(key=lambda pair: (pair[0], pair[1].id))
        for at, (length, item) in enumerate(members):
            for further, other in members[at + 1 :]:
                if further * (1 - PROBE.max_equal_difference) > length:
                    break
                relative = output_difference(item, other)
                if relative is not None and relative < PROBE.max_equal_difference:
                    pair = (min(item.id, other.id), max(item.id, other.id))
                    pairs[pair] = max(relative, pairs.get(pair, 0.0))
    return [(*pair, apart) for pair, apart in sorted(pairs.items())]


def behaviour_clusters(probes: Sequence[Probe]) -> dict[str, str]:
    """Return the leader of each model's behaviour cluster.

    Leader clustering (Hartigan 1975, chapter 3) in the order of ids. A model joins the leader of the greatest CKA,
    where that is at least `PROBE.min_cluster_cka`. Otherwise it becomes a leader.

    Args:
        probes: In any order. One kind of inputs a model is used; sentences are preferred to token ids.

    Returns:
        Id of the leader by model id.
    """
    chosen: dict[str, Probe] = {}
    for item in sorted(probes, key=lambda each: (each.id, each.kind != "text")):
        chosen.setdefault(item.id, item)
    found: dict[str, str] = {}
    for kind in sorted({item.kind for item in chosen.values()}):
        members = [item for item in chosen.values() if item.kind == kind]
        leader_grams = np.empty((len(members), GRAM_LENGTH), np.float32)
        leaders: list[str] = []
        for item in members:
            cka = leader_grams[: len(leaders)] @ item.gram
            if len(leaders) and cka.max() >= PROBE.min_cluster_cka:
                found[item.id] = leaders[int(cka.argmax())]
            else:
                leader_grams[len(leaders)] = item.gram
                leaders.append(item.id)
                found[item.id] = item.id
    return found
