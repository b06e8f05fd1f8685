"""General-purpose models under EU law: the one-third test of training compute, and a draft of the summary of data.

Regulation (EU) 2024/1689, Article 53. Threshold for modifiers and the figure 10^23 FLOP: guidelines of the Commission,
18 July 2025. Parts of the summary: its template of 24 July 2025. Compute of dense transformers is taken as 6 · N · D
(Kaplan et al. 2020, arXiv 2001.08361), N parameters and D training tokens.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import cache
from importlib import resources
from typing import Annotated, Any

import msgspec

from atlas_db.catalogue.loader import Text, read_rows
from atlas_db.core.decoding import prepared
from atlas_db.core.terms import LicenseState
from atlas_db.licenses.audit import DISCLAIMER
from atlas_db.licenses.audit_graph import TRAINED
from atlas_db.licenses.card_model import CardModel
from atlas_db.licenses.duties import above
from atlas_db.licenses.model_lineage import ModelLineage, read_lineage, require_some_known
from atlas_db.licenses.policy_check import PolicyCheck
from atlas_db.licenses.rules import rule_book
from atlas_db.store.bolt import Store

FILE = "training_compute.jsonl"
GPAI_FLOP = 1e23
"""Compute from which the guidelines take a model that generates language, images or video as general-purpose."""
SYSTEMIC_FLOP = 1e25
"""Compute from which systemic risk is presumed (Article 51(2))."""
SHARE = 1 / 3
"""Share of the original compute from which a modifier becomes a provider, by the guidelines."""
PARTS = (
    "publicly available datasets", "private datasets of third parties", "data crawled and scraped from the internet",
    "user data", "synthetic data", "other sources", "respect of opt-outs from text and data mining",
    "removal of illegal content",
)  # fmt: skip
"""Parts of the summary that need the provider's answers."""


@prepared
class TrainingCompute(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Published figures of the training of a model.

    Attributes:
        models: Ids of the Hub that hold these weights.
        parameters: Parameters.
        tokens: Training tokens.
        source: Where the tokens are stated.
        flop: Compute where it is published itself; else 6 · N · D is taken.
    """

    models: Annotated[list[Text], msgspec.Meta(min_length=1)]
    parameters: Annotated[float, msgspec.Meta(gt=0)]
    tokens: Annotated[float, msgspec.Meta(gt=0)]
    source: Text
    flop: float = 0.0

    @property
    def compute(self) -> float:
        """Floating-point operations of its training."""
        return self.flop or 6 * self.parameters * self.tokens


@cache
def published_compute() -> Mapping[str, TrainingCompute]:
    """Return the published figures by id of the model."""
    text = resources.files(__package__).joinpath("data", FILE).read_bytes()
    return {name: row for row in read_rows(text, TrainingCompute, FILE) for name in row.models}


@dataclass(frozen=True, slots=True)
class OneThirdTest:
    """Compute of a modification against a third of that of the original.

    Attributes:
        original: Model whose compute is taken, the nearest above with a published figure; empty where there is none.
        original_flop: Its compute; None where it is not known.
        original_source: Where that comes from.
        threshold: Compute from which the modifier becomes a provider.
        modification_flop: Compute of the modification; None where it is not known.
        exceeds: The answer; None where a figure lacks.
        why: The answer in words.
    """

    original: str
    original_flop: float | None
    original_source: str
    threshold: float
    modification_flop: float | None
    exceeds: bool | None
    why: str


@dataclass(frozen=True, slots=True)
class DataSource:
    """One dataset of the summary.

    Attributes:
        dataset: Its path.
        declared_by: Models that declare it, nearest first.
        license: Its declared licences.
        state: What is known of its licence.
    """

    dataset: str
    declared_by: list[str]
    license: list[str]
    state: LicenseState


@dataclass(slots=True)
class GpaiReport:
    """What is known of a model under the rules for general-purpose models.

    Attributes:
        model: Its id.
        test: The one-third test.
        sources: Datasets that the model and its ancestors declare.
        gaps: What is not known, one sentence each.
        parts: Parts of the template that only the provider can fill.
    """

    model: str
    test: OneThirdTest
    sources: list[DataSource] = field(default_factory=list)
    gaps: list[str] = field(default_factory=list)
    parts: Sequence[str] = PARTS

    def document(self) -> dict[str, Any]:
        """Return it as a JSON object."""
        return {**asdict(self), "disclaimer": DISCLAIMER}

    def text(self) -> str:
        """Return a draft of the summary of training content in Markdown, with its gaps."""
        lines = [f"# Training content of {self.model}: draft", "", "## General information", ""]
        lines += [
            "Provider, date of placing on the market, modalities, size of the data: to be stated by the provider.",
            "",
        ]
        lines += ["## Data sources", ""]
        for each in self.sources:
            license_text = ", ".join(each.license) or each.state.replace("_", " ")
            lines.append(f"- {each.dataset} (licence: {license_text}), declared by {', '.join(each.declared_by)}")
        lines += ["", "## Not known here", "", *(f"- {each}" for each in self.gaps)]
        lines += ["", "## Parts that the provider has to fill", "", *(f"- {each}" for each in self.parts)]
        return "\n".join([*lines, "", DISCLAIMER]) + "\n"


def describe_gpai(
    store: Store,
    model: str,
    folder: CardModel | None = None,
    *,
    flop: float | None = None,
    original_flop: float | None = None,
    systemic: bool = False,
) -> GpaiReport:
    """Return the one-third test of a model, and the datasets of all its ancestors.

    Args:
        store: The store.
        model: Model id.
        folder: The model, where it is read from files.
        flop: Compute of the modification.
        original_flop: Compute of the original, where the caller knows it.
        systemic: Whether the original is a model with systemic risk, where its compute is not known.

    Raises:
        EmptyStoreError: The store holds no models.
        ModelNotFoundError: There is no such model.
    """
    if folder is None:
        require_some_known(store, [model])
    lineage = read_lineage(store, [] if folder is not None else [model], [folder] if folder is not None else [])
    graph, start = lineage.graph, lineage.index_of[model]
    models = [graph.ids[each] for each in above(graph, [start], data=False)]
    report = GpaiReport(model, _one_third(models, flop, original_flop, systemic=systemic))
    _add_sources(report, lineage, start)
    return report


def _one_third(models: Sequence[str], flop: float | None, original: float | None, *, systemic: bool) -> OneThirdTest:
    ancestors = models[1:]
    name = next((each for each in ancestors if each in published_compute()), "")
    source = published_compute()[name].source if name else ""
    if original is not None:
        name, source = (ancestors[-1] if ancestors else ""), "stated by the caller"
    elif name:
        original = published_compute()[name].compute
    if original is not None:
        threshold, basis = original * SHARE, f"a third of {original:.2e} FLOP of {name or 'the original'} ({source})"
    else:
        whole = SYSTEMIC_FLOP if systemic else GPAI_FLOP
        threshold = whole * SHARE
        basis = f"a third of {whole:.0e} FLOP, which the guidelines take where the original's compute is not known"
    if not ancestors:
        return OneThirdTest("", original, source, threshold, flop, None, "no original is known above this model")
    if flop is None:
        why = f"the compute of the modification is not known. It would have to exceed {threshold:.2e} FLOP, {basis}"
        return OneThirdTest(name, original, source, threshold, None, None, why)
    exceeds = flop > threshold
    why = f"{flop:.2e} FLOP {'exceed' if exceeds else 'do not exceed'} {threshold:.2e}, {basis}"
    return OneThirdTest(name, original, source, threshold, flop, exceeds, why)


def _add_sources(report: GpaiReport, lineage: ModelLineage, start: int) -> None:
    """Add the datasets that the model and its ancestors declare, and what lacks."""
    graph = lineage.graph
    check = PolicyCheck(graph, rule_book())
    declared: dict[int, list[str]] = {}
    for node in above(graph, [start], data=False):
        data = [edge.parent for edge in graph.parents.get(node, ()) if edge.strength == TRAINED]
        if node in graph.placeholders:
            report.gaps.append(f"{graph.ids[node]} is not in this atlas, so that its training data are not known")
        elif not data:
            report.gaps.append(f"{graph.ids[node]} declares no training data")
        for each in data:
            declared.setdefault(each, []).append(graph.ids[node])
    for node, names in declared.items():
        claims = check.own_claims(node)
        states = {check.state_of(each.id) for each in claims}
        state = next(each for each in LicenseState if each in states)
        known = [each.id for each in claims if check.state_of(each.id) is LicenseState.STATED]
        report.sources.append(DataSource(graph.path(node), names, known, state))
        if state is not LicenseState.STATED:
            report.gaps.append(f"{graph.path(node)}: its licence is not known ({state.replace('_', ' ')})")
    report.gaps += [f"{each.model} names a parent that is not known: {each}" for each in lineage.unresolved]
