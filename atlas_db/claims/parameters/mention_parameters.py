"""Confidences and weights of entity linking: how mentions of parents are resolved to models."""

from __future__ import annotations

from dataclasses import dataclass

from atlas_db.core.parameters import parameter

_BY_JUDGEMENT = "set by judgement; the declared names of July 2024 that resolve exactly are the only measure"

_RENAMES_OF_2026 = (
    "of pairs in records of 2026 whose id of today is known, 32 of 32 are right; Wilson bound at .95: .89"
)


@dataclass(frozen=True, slots=True)
class MentionParameters:
    """Entity linking of parents' names.

    Attributes:
        cleaned_confidence: Confidence of a name that matches exactly once address, quotes and slashes are removed.
        case_confidence: Confidence of a name that matches one model in other case.
        max_renamed_confidence: Upper bound of the confidence of a short name without owner.
        same_owner_weight: Factor on the popularity of candidates of the child's own owner.
        undated_weight: Factor on the popularity of candidates older than the dates of the Hub.
        half_confidence_downloads: Downloads at which popularity alone gives a confidence of one half.
        same_owner_confidence: Confidence of popularity where the candidate has the owner of the child.
        min_moved_confidence: Confidence from which an id without owner is taken for a repository that moved.
        absent_full_name_confidence: Confidence of a full name (owner/name) that no model has.
        absent_short_name_confidence: Confidence of a short name that no model has.
        absent_path_confidence: Confidence of a name that looks like a path.
        younger_parent_factor: Factor on the confidence where the parent is younger than the child.
        min_owner_repositories: Repositories under a new owner that show a renaming.
        min_owner_share: Share of the old owner's missing repositories that the new owner has.
        owner_base_confidence: Confidence of a renamed owner without evidence.
        owner_step_confidence: Confidence that each repository in common adds.
        max_owner_confidence: Upper bound of the confidence of a renamed owner.
        min_rename_similarity: Similarity of two names, one in a card and one in the Hub's list, of one repository.
        observed_rename_confidence: Confidence of a renaming that a card and the Hub's list show.
    """

    cleaned_confidence: float = parameter(0.98, "probability", _BY_JUDGEMENT)
    case_confidence: float = parameter(0.95, "probability", _BY_JUDGEMENT)
    max_renamed_confidence: float = parameter(0.98, "probability", _BY_JUDGEMENT)
    same_owner_weight: float = parameter(1000.0, "1", _BY_JUDGEMENT)
    undated_weight: float = parameter(10.0, "1", _BY_JUDGEMENT)
    half_confidence_downloads: float = parameter(300.0, "downloads", _BY_JUDGEMENT)
    same_owner_confidence: float = parameter(0.9, "probability", _BY_JUDGEMENT)
    min_moved_confidence: float = parameter(0.9, "probability", _BY_JUDGEMENT)
    absent_full_name_confidence: float = parameter(0.9, "probability", _BY_JUDGEMENT)
    absent_short_name_confidence: float = parameter(0.7, "probability", _BY_JUDGEMENT)
    absent_path_confidence: float = parameter(0.3, "probability", _BY_JUDGEMENT)
    younger_parent_factor: float = parameter(0.8, "1", _BY_JUDGEMENT)
    min_owner_repositories: int = parameter(2, "repositories", _BY_JUDGEMENT)
    min_owner_share: float = parameter(0.6, "share", _BY_JUDGEMENT)
    owner_base_confidence: float = parameter(0.6, "probability", _BY_JUDGEMENT)
    owner_step_confidence: float = parameter(0.08, "probability", _BY_JUDGEMENT)
    max_owner_confidence: float = parameter(0.95, "probability", _BY_JUDGEMENT)
    min_rename_similarity: float = parameter(0.8, "1", _BY_JUDGEMENT)
    observed_rename_confidence: float = parameter(0.97, "probability", _RENAMES_OF_2026)


MENTION = MentionParameters()
