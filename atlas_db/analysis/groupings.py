"""Groupings used by several sections: licences by tightness, tasks by modality, tags of tool-written cards."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from functools import cache
from typing import Any

from atlas_db.catalogue.expressions import Expression, Operator, parse_expression
from atlas_db.catalogue.loader import LicenseFamily, catalogue


class LicenseGroup(StrEnum):
    """Groups of licences, from the least to the most restrictive; unclear ones last."""

    PERMISSIVE = "permissive"
    COPYLEFT = "copyleft"
    USE_RESTRICTED = "use_restricted"
    VENDOR = "vendor"
    NON_COMMERCIAL = "non_commercial"
    UNCLEAR = "unclear"


_GROUP_OF_FAMILY = {
    LicenseFamily.PUBLIC_DOMAIN: LicenseGroup.PERMISSIVE,
    LicenseFamily.PERMISSIVE: LicenseGroup.PERMISSIVE,
    LicenseFamily.WEAK_COPYLEFT: LicenseGroup.COPYLEFT,
    LicenseFamily.STRONG_COPYLEFT: LicenseGroup.COPYLEFT,
    LicenseFamily.SHARE_ALIKE: LicenseGroup.COPYLEFT,
    LicenseFamily.RAIL: LicenseGroup.USE_RESTRICTED,
    LicenseFamily.LLAMA2: LicenseGroup.VENDOR,
    LicenseFamily.LLAMA3: LicenseGroup.VENDOR,
    LicenseFamily.LLAMA3X: LicenseGroup.VENDOR,
    LicenseFamily.GEMMA: LicenseGroup.VENDOR,
    LicenseFamily.VENDOR: LicenseGroup.VENDOR,
    LicenseFamily.NON_COMMERCIAL: LicenseGroup.NON_COMMERCIAL,
    LicenseFamily.NO_DERIVATIVES: LicenseGroup.NON_COMMERCIAL,
    LicenseFamily.UNKNOWN: LicenseGroup.UNCLEAR,
}
TIGHTNESS = {group: rank for rank, group in enumerate(LicenseGroup) if group is not LicenseGroup.UNCLEAR}
"""Rank of each group: a greater one is more restrictive. Unclear licences have none."""


@cache
def license_group(license_id: str | None) -> LicenseGroup | None:
    """Return the group of a declared licence; None where none is declared."""
    if license_id is None:
        return None
    return _group_of(parse_expression(license_id) or Expression(license_id))


def _group_of(expression: Expression) -> LicenseGroup:
    """Return the group of an expression: the least restrictive choice, or the most restrictive part."""
    if expression.operator is None:
        found = catalogue().get(expression.license)
        return LicenseGroup.UNCLEAR if found is None else _GROUP_OF_FAMILY[found.family]
    groups = [_group_of(part) for part in expression.parts]
    if expression.operator is Operator.AND:
        return max(groups, key=list(LicenseGroup).index)
    return min(groups, key=list(LicenseGroup).index)


def drift_direction(before: str | None, after: str | None) -> str:
    """Return how a licence changed: same, tighter, looser, lateral, gained, dropped or unclear."""
    if before == after:
        return "same"
    if before is None or after is None:
        return "gained" if before is None else "dropped"
    old, new = license_group(before), license_group(after)
    if old not in TIGHTNESS or new not in TIGHTNESS:
        return "unclear"
    step = TIGHTNESS[new] - TIGHTNESS[old]
    return "tighter" if step > 0 else "looser" if step < 0 else "lateral"


_MODALITIES = {
    "text": """text-generation text2text-generation fill-mask text-classification token-classification
        question-answering table-question-answering zero-shot-classification translation summarization
        feature-extraction sentence-similarity conversational text-ranking text-retrieval multiple-choice""",
    "image and video": """text-to-image image-to-image image-classification object-detection image-segmentation
        depth-estimation unconditional-image-generation zero-shot-image-classification zero-shot-object-detection
        mask-generation image-feature-extraction video-classification text-to-video image-to-video text-to-3d
        image-to-3d keypoint-detection""",
    "audio": """automatic-speech-recognition text-to-speech text-to-audio audio-classification audio-to-audio
        voice-activity-detection""",
    "image and text": """image-to-text image-text-to-text visual-question-answering document-question-answering
        video-text-to-text visual-document-retrieval audio-text-to-text any-to-any""",
    "control": "reinforcement-learning robotics",
    "tables and series": "tabular-classification tabular-regression time-series-forecasting graph-ml",
}
MODALITY = {task: name for name, tasks in _MODALITIES.items() for task in tasks.split()}
"""Task (pipeline_tag) to modality, by the headings of the Hub's task page."""

MACHINE_WRITTEN = frozenset({"generated_from_trainer", "generated_from_keras_callback", "autotrain", "autonlp"})
"""Tags that training tools set on a model when they write its card."""
ENGLISH = "en"
MULTILINGUAL = "multilingual"


def traits_as_text(traits: Mapping[str, Any]) -> str:
    """Return traits as text, one line a trait; those without a value are left out (Laufer 2025, figure 4)."""
    lines = []
    for name, value in traits.items():
        if value not in (None, []):
            lines.append(f"{name}: {', '.join(value) if isinstance(value, list) else value}")
    return "\n".join(lines)
