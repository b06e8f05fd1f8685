"""Reasons for a prediction; for a licence also the terms that the model inherits from upstream."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from atlas_db.columnar.graph import rows_of
from atlas_db.columnar.typed_columns import data_frame
from atlas_db.core.terms import Progress
from atlas_db.licenses.audit import AuditOptions, audit_models
from atlas_db.store.bolt import Store
from atlas_db.store.connect import ensure_schema
from gnn.dataset.assemble import assemble_graph
from gnn.dataset.tasks import tasks_for
from gnn.inference.attribution import explain_prediction
from gnn.inference.complete import CHECKPOINTS, CompletionSession

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, slots=True)
class Candidate:
    """A value that may be predicted.

    Attributes:
        value: The value; a model id for `base_model`.
        confidence: Calibrated probability, 0..1.
    """

    value: str
    confidence: float


@dataclass(frozen=True, slots=True)
class Contribution:
    """Contribution of a group of models, or of a single feature, to the first candidate.

    Attributes:
        group: Group of models, such as those of the same author; or the name of a feature.
        log_odds: SHAP values of its features, summed.
        positives: Models of the group that declare the candidate; None for a single feature.
        total: Models of the group that declare any value; None for a single feature.
    """

    group: str
    log_odds: float
    positives: int | None = None
    total: int | None = None


@dataclass(frozen=True, slots=True)
class LabelledNeighbour:
    """A model that declares a value, and that the network attends to.

    Attributes:
        model_id: Model id.
        value: The value that it declares.
        groups: Groups that it shares with the model.
    """

    model_id: str
    value: str
    groups: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class MissingnessProbabilities:
    """Reasons for a missing parent, by the propensity model.

    Attributes:
        p_derived: Probability that the model derives from another.
        p_reported: Probability that a parent would be reported, if there is one.
    """

    p_derived: float
    p_reported: float


@dataclass(frozen=True, slots=True)
class InheritedTerm:
    """A term that upstream sets, whatever the model's author declares.

    Attributes:
        ancestor: The model or dataset whose licence sets the term.
        license: Its licence.
        verdict: Verdict of the audit.
        clause: The clause.
    """

    ancestor: str | None
    license: str | None
    verdict: str
    clause: str


@dataclass(frozen=True, slots=True)
class Explanation:
    """Reasons for a prediction.

    Attributes:
        model_id: Model id.
        attribute: The attribute.
        declared: Values that the model declares.
        candidates: Candidates, the most probable first.
        threshold: Confidence from which a value is written.
        reasons: Contributions to the first candidate, the largest first.
        neighbours: Labelled neighbours, those that share the most groups first.
        no_declaration_probability: For `base_model`, the probability that the author declares no parent.
        derived_probability: For `base_model`, the probability that there is a parent, declared or not.
        missingness: For `base_model`, why a parent may be missing; None where that could not be fitted.
        inherited: For `license`, the terms inherited from upstream.
    """

    model_id: str
    attribute: str
    declared: tuple[str, ...]
    candidates: tuple[Candidate, ...]
    threshold: float
    reasons: tuple[Contribution, ...]
    neighbours: tuple[LabelledNeighbour, ...]
    no_declaration_probability: float | None = None
    derived_probability: float | None = None
    missingness: MissingnessProbabilities | None = None
    inherited: tuple[InheritedTerm, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Return it as JSON values; only `base_model` has probabilities, and only `license` inherited terms."""
        document = asdict(self)
        document["reasons"] = [
            {name: value for name, value in each.items() if value is not None} for each in document["reasons"]
        ]
        if self.attribute != "base_model":
            for name in ("no_declaration_probability", "derived_probability", "missingness"):
                del document[name]
        if self.attribute != "license":
            del document["inherited"]
        return document

    def to_frame(self) -> pd.DataFrame:
        """Return the candidates as a data frame: `value`, `confidence` (extra `analysis`)."""
        return data_frame(map(asdict, self.candidates), Candidate.__slots__)


def explain_model(
    store: Store, home: Path, model: str, attribute: str, progress: Progress = lambda *_: None
) -> Explanation:
    """Return the reasons for one prediction.

    Args:
        store: The store.
        home: Home folder, with the checkpoints; models that are missing there are trained.
        model: Model id.
        attribute: The attribute.
        progress: Called with stage, done and total.

    Raises:
        UsageError: There is no such attribute.
        CompletionError: There is no such model, or too little to learn from.
    """
    (task,) = tasks_for([attribute])
    graph = assemble_graph(store, home, [task])
    (row,) = rows_of(graph, [model])
    session = CompletionSession(graph, home / CHECKPOINTS / ensure_schema(store), progress=progress)
    reasons = explain_prediction(session, task, int(row))
    if attribute == "license":
        report = audit_models(store, [model], AuditOptions())
        reasons["inherited"] = [
            {name: each[name] for name in InheritedTerm.__slots__} for each in (*report.findings, *report.obligations)
        ]
    return msgspec.convert(reasons, Explanation)
