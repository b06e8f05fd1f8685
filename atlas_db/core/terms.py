"""The vocabulary: every closed set of words that the graph, the code and the reports share."""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum

SOFTWARE = "atlas-db"
"""Name that stands in user agents, file headers and reports."""

Progress = Callable[[str, int, int], None]
"""Told of a stage of long work, how much of it is done, and of how much (0 where unknown)."""

UNKNOWN_DATE_FLOOR = "2022-03-02T23:29:05Z"
"""The Hub stamps repositories older than its date column with 2022-03-02T23:29:04Z (or :05); it means unknown."""


class Relation(StrEnum):
    """How a model was made from its parent. The first four are the Hub's own words."""

    FINETUNE = "finetune"
    ADAPTER = "adapter"
    QUANTIZED = "quantized"
    MERGE = "merge"
    DUPLICATE = "duplicate"


class Source(StrEnum):
    """Who says so. The three are never mixed."""

    DECLARED = "declared"
    INFERRED = "inferred"
    PREDICTED = "predicted"


class Status(StrEnum):
    """What a lineage edge rests on, after every witness was heard."""

    VERIFIED = "verified"
    DECLARED = "declared"
    UNDECLARED = "undeclared"
    PREDICTED = "predicted"
    CONTRADICTED = "contradicted"


class Resolution(StrEnum):
    """What became of a parent's name when it was looked up."""

    EXACT = "exact"
    CASE = "case"
    RENAMED = "renamed"
    AMBIGUOUS = "ambiguous"
    ABSENT = "absent"
    SELF_LOOP = "self_loop"
    CYCLE = "cycle"


class RecordKind(StrEnum):
    """What one input record describes."""

    MODEL = "model"
    DATASET = "dataset"


class RecordPart(StrEnum):
    """The part of a record that states a claim; a later snapshot ends only claims of the parts it carries."""

    TAGS = "tags"
    CARD = "card"
    CONFIG = "config"
    FACTS = "facts"  # none of these: counts and dates alone, which end no claim

    # Enum's own hash runs in Python; the string's is equal for equal members, and ten times as fast.
    __hash__ = str.__hash__


class RunKind(StrEnum):
    """What a run did."""

    LOAD = "load"
    CHART = "chart"
    COMPLETION = "completion"
    AUDIT = "audit"


class Verdict(StrEnum):
    """How a model stands to the terms of something upstream, from best to worst."""

    COMPLIANT = "compliant"
    OBLIGATIONS = "compliant_with_obligations"
    UNKNOWN = "unknown"
    REVIEW = "needs_review"
    VIOLATION = "violation"


class FindingKind(StrEnum):
    """What a finding is about."""

    TERMS_CONFLICT = "terms_conflict"
    MISSING_OBLIGATION = "missing_obligation"
    NAMING_RULE = "naming_rule"
    JURISDICTION = "jurisdiction"
    NO_LICENSE = "no_license"
    RELICENSED_UPSTREAM = "relicensed_upstream"


MIN_ACTIVE_CONFIDENCE = 0.5
"""A name whose best candidate stays below this is recorded, but never followed."""

MIN_CHARTED_CONFIDENCE = 0.5
"""A parent that weights hold likelier wrong than right is abstained from, unless guesses are asked for."""
