"""Enumerations that the graph, the code and the reports share."""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum

SOFTWARE = "atlas-db"
"""Name of this program in user agents, file headers and reports."""

Progress = Callable[[str, int, int], None]
"""Called with a stage of long work, the items done, and the total (0 where unknown)."""

UNKNOWN_DATE_FLOOR = "2022-03-02T23:29:05Z"
"""Latest creation date that means unknown: the Hub stamps older repositories 2022-03-02T23:29:04Z or :05."""


class Relation(StrEnum):
    """How a model was made from its parent. The Hub defines the first four."""

    FINETUNE = "finetune"
    ADAPTER = "adapter"
    QUANTIZED = "quantized"
    MERGE = "merge"
    DUPLICATE = "duplicate"


class Source(StrEnum):
    """Origin of a claim: its author, the weights, or a prediction."""

    DECLARED = "declared"
    INFERRED = "inferred"
    PREDICTED = "predicted"


class Status(StrEnum):
    """Agreement of the sources of a lineage edge, after fusion."""

    VERIFIED = "verified"
    DECLARED = "declared"
    UNDECLARED = "undeclared"
    PREDICTED = "predicted"
    CONTRADICTED = "contradicted"


class Resolution(StrEnum):
    """How the name of a parent was resolved to a model."""

    EXACT = "exact"
    CASE = "case"
    RENAMED = "renamed"
    AMBIGUOUS = "ambiguous"
    ABSENT = "absent"
    SELF_LOOP = "self_loop"
    CYCLE = "cycle"
    GONE = "gone"


class RecordKind(StrEnum):
    """Kind of repository that an input record describes."""

    MODEL = "model"
    DATASET = "dataset"


class RecordPart(StrEnum):
    """Part of a record that states a claim. A later snapshot ends only the claims of the parts that it carries."""

    TAGS = "tags"
    CARD = "card"
    CONFIG = "config"
    BASE_MODELS = "base_models"
    ADAPTER_CONFIG = "adapter_config"
    MERGE_CONFIG = "merge_config"
    GGUF = "gguf"
    SAFETENSORS = "safetensors"
    TRAINING_ARGS = "training_args"
    FACTS = "facts"  # counts and dates alone; they end no claim

    # The hash of an Enum runs in Python. That of the string is equal for equal members and ten times as fast.
    __hash__ = str.__hash__


METHODS = {
    RecordPart.TAGS: "hub-tags@1",
    RecordPart.CARD: "hub-card@1",
    RecordPart.CONFIG: "hub-config@1",
    RecordPart.BASE_MODELS: "hub-base-models@1",
    RecordPart.ADAPTER_CONFIG: "adapter-config@1",
    RecordPart.MERGE_CONFIG: "merge-config@1",
    RecordPart.GGUF: "gguf-metadata@1",
    RecordPart.SAFETENSORS: "safetensors-metadata@1",
    RecordPart.TRAINING_ARGS: "training-args@1",
}
"""Method, as name@version, of a claim that a part of a record states."""


class RunKind(StrEnum):
    """Operation of a run."""

    LOAD = "load"
    CHART = "chart"
    COMPLETION = "completion"
    AUDIT = "audit"


class Verdict(StrEnum):
    """Result of checking a model against the licences upstream of it, from best to worst."""

    COMPLIANT = "compliant"
    OBLIGATIONS = "compliant_with_obligations"
    UNKNOWN = "unknown"
    REVIEW = "needs_review"
    VIOLATION = "violation"


class FindingKind(StrEnum):
    """Kind of a licence finding."""

    TERMS_CONFLICT = "terms_conflict"
    MISSING_OBLIGATION = "missing_obligation"
    NAMING_RULE = "naming_rule"
    JURISDICTION = "jurisdiction"
    NO_LICENSE = "no_license"
    UNREADABLE_LICENSE = "unreadable_license"
    NOT_IN_ATLAS = "not_in_atlas"
    UNRESOLVED_PARENT = "unresolved_parent"
    RELICENSED_UPSTREAM = "relicensed_upstream"


class LicenseState(StrEnum):
    """What an atlas knows about the licence of a model or dataset."""

    STATED = "stated"
    UNREADABLE = "unreadable"
    STATES_NONE = "states_none"
    NOT_IN_ATLAS = "not_in_atlas"
    UNRESOLVED = "unresolved"


MIN_ACTIVE_CONFIDENCE = 0.5
"""Confidence from which the best candidate for a name makes an active edge."""

MIN_CHARTED_CONFIDENCE = 0.5
"""Confidence from which a chart names an inferred parent, unless all guesses are requested."""

ORIGIN_PREFIX = "origin:"
"""Beginning of the ids of inferred common origins that are not in the atlas. No Hub id holds a colon."""


def is_origin(model_id: str) -> bool:
    """Whether an id is that of an inferred origin, a node without a name."""
    return model_id.startswith(ORIGIN_PREFIX)
