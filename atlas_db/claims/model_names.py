"""Entity linking of parents' names: the model that each mention refers to, with a confidence.

A name is looked up among the models of the graph: first as written, then cleaned, then case-insensitively. The rest are
short names without owner, which several repositories can match (`gpt2` is now `openai-community/gpt2`), and names of
owners who were renamed. For these, popularity, age and owner are the evidence. The result depends on the set of known
models only, not on their order.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

import msgspec

from atlas_db.claims.hub_renames import HubRenames
from atlas_db.claims.parameters.mention_parameters import MENTION
from atlas_db.claims.placeholder_names import is_bare_word, is_template_name
from atlas_db.claims.repository_ids import is_repository_id, repository_name
from atlas_db.core.terms import MIN_ACTIVE_CONFIDENCE, Resolution
from atlas_db.fusion.evidence import MentionEvidence

_FOLDER_NAMES = frozenset(
    {"base", "checkpoint", "checkpoints", "ckpt", "default", "example", "experiment", "final", "finetuned", "latest",
     "llm", "local", "lora", "main", "merged", "model", "models", "new", "original", "out", "output", "outputs", "path",
     "pretrained", "result", "results", "run", "runs", "saved", "test", "tmp", "train", "trained", "transformers"}
)  # fmt: skip
"""Words that name folders of training runs. Alone they mean a repository of the child's own owner, or none."""


_WEIGHT_FILE = re.compile(r"\.(?:safetensors|gguf|bin|pt|pth|ckpt|onnx)$", re.IGNORECASE)
NO_RENAMES = HubRenames({}, {})


def _looks_like(clean: str) -> str:
    """Return what a name is instead of an id: a path, a file, a word or a template; empty where it may be an id."""
    if not is_repository_id(clean):
        return "path"
    if clean.lower() in _FOLDER_NAMES or is_bare_word(clean):
        return "word"
    if is_template_name(clean):
        return "template"
    return "file" if "/" not in clean and _WEIGHT_FILE.search(clean) else ""


class NameEvidence(NamedTuple):
    """Evidence on a model for entity linking.

    Attributes:
        downloads: Downloads, 0 where unknown.
        created_at: ISO date; None where it is older than the Hub's dates, or unknown.
        last_seen: Date of its newest record, empty where unknown.
    """

    downloads: int
    created_at: str | None
    last_seen: str = ""


@dataclass(frozen=True, slots=True)
class ResolvedName:
    """Result of resolving a name.

    Attributes:
        parent: Id of the model; the name as written where no model matches.
        resolution: How it was found.
        confidence: Confidence that the name means this model, 0..1.
        evidence: Evidence for the confidence.
    """

    parent: str
    resolution: Resolution
    confidence: float
    evidence: MentionEvidence


class MentionIndex:
    """Index of known models for resolving mentions of them."""

    def __init__(
        self, models: Mapping[str, NameEvidence], names: Iterable[str], renames: HubRenames = NO_RENAMES
    ) -> None:
        """Index the models that the given names can refer to.

        Args:
            models: All models with a record.
            names: All names that will be resolved.
            renames: Renamings that the Hub shows.
        """
        self._models = models
        self._renames = renames
        self._clean = {name: repository_name(name) for name in names}
        missing = [
            clean
            for name, clean in self._clean.items()
            if "/" not in clean or (name not in models and clean not in models)
        ]
        whole = {clean.lower() for clean in missing}
        parts = {clean.rpartition("/")[2].lower() for clean in missing}
        self._ids_by_lower_id: dict[str, list[str]] = defaultdict(list)
        self._ids_by_name: dict[str, list[str]] = defaultdict(list)
        self._owners: set[str] = set()
        for identifier in models:
            lower = identifier.lower()
            owner, _, part = lower.rpartition("/")
            self._owners.add(owner)
            if lower in whole:
                self._ids_by_lower_id[lower].append(identifier)
            if part in parts:
                self._ids_by_name[part].append(identifier)
        self._renamed_owners = self._find_renamed_owners(missing)

    def resolve(self, name: str, child: str, child_created: str | None) -> ResolvedName:
        """Resolve the name of a parent that the author of a child wrote.

        Args:
            name: The name as written.
            child: Id of the child.
            child_created: Creation date of the child, None where unknown.
        """
        clean = self._clean[name]
        if (observed := self._resolve_observed_rename(clean)) is not None:
            return self._discount_younger_parent(observed, child_created)
        if "/" not in clean and clean in self._models:
            # Old snapshots hold ids without owner. All of them were moved to an owner since.
            renamed = self._resolve_short_name(name, clean, child, child_created)
            if renamed.resolution is Resolution.RENAMED and renamed.confidence >= MENTION.min_moved_confidence:
                return renamed
        found = self._resolve_existing(name, clean) or self._resolve_renamed_owner(clean)
        if found is not None:
            return self._discount_younger_parent(found, child_created)
        if "/" not in clean:
            return self._resolve_short_name(name, clean, child, child_created)
        return self._resolve_absent(name, clean)

    def _resolve_observed_rename(self, clean: str) -> ResolvedName | None:
        """Resolve a former id by a renaming that the Hub shows, unless the former id has a record as new."""
        rename = self._renames.repositories.get(clean.lower())
        if rename is None:
            return None
        old = self._models.get(clean)
        if old is not None and old.last_seen >= rename.last_seen:
            return None
        evidence = MentionEvidence(renamed_on=rename.last_seen, renamed_in=rename.children)
        return ResolvedName(rename.new, Resolution.RENAMED, MENTION.observed_rename_confidence, evidence)

    def _resolve_existing(self, name: str, clean: str) -> ResolvedName | None:
        """Resolve a name that some model has: as written, cleaned, or in other case."""
        if name in self._models:
            return ResolvedName(name, Resolution.EXACT, 1.0, MentionEvidence())
        if clean in self._models:
            return ResolvedName(clean, Resolution.EXACT, MENTION.cleaned_confidence, MentionEvidence(cleaned=True))
        same = self._ids_by_lower_id.get(clean.lower())
        return self._resolve_case(same) if same else None

    def _resolve_renamed_owner(self, clean: str) -> ResolvedName | None:
        """Resolve a name whose owner was renamed: the repository of that name under the new owner."""
        owner, _, part = clean.lower().rpartition("/")
        renamed = self._renamed_owners.get(owner)
        if renamed is None:
            return None
        new_owner, repositories = renamed
        found = [model for model in self._ids_by_name.get(part, ()) if model.lower().rpartition("/")[0] == new_owner]
        if not found:
            return None
        best = max(found, key=lambda model: (self._models[model].downloads, model))
        evidence = MentionEvidence(owner_now=best.partition("/")[0], names_in_common=repositories)
        return ResolvedName(best, Resolution.RENAMED, self._owner_confidence(repositories), evidence)

    @staticmethod
    def _owner_confidence(repositories: int) -> float:
        confidence = MENTION.owner_base_confidence + MENTION.owner_step_confidence * repositories
        return min(MENTION.max_owner_confidence, confidence)

    def _resolve_case(self, same: list[str]) -> ResolvedName:
        ranked = sorted(same, key=lambda model: (-self._models[model].downloads, model))
        total = sum(self._models[model].downloads + 1 for model in ranked)
        share = (self._models[ranked[0]].downloads + 1) / total
        confidence = MENTION.case_confidence * share
        resolution = Resolution.CASE if confidence >= MIN_ACTIVE_CONFIDENCE else Resolution.AMBIGUOUS
        several = len(ranked) > 1
        evidence = MentionEvidence(candidates=len(ranked), share=round(share, 4)) if several else MentionEvidence()
        return ResolvedName(ranked[0], resolution, confidence, evidence)

    def _resolve_short_name(self, name: str, clean: str, child: str, created: str | None) -> ResolvedName:
        part = clean.lower()
        owner = child.partition("/")[0]
        generic = part in _FOLDER_NAMES or is_bare_word(part)
        weights: list[tuple[float, str]] = []
        for model in self._ids_by_name.get(part, ()):
            facts = self._models[model]
            if model == child or "/" not in model or (created and facts.created_at and facts.created_at > created):
                continue
            # That some owner has a popular `outputs` or `keine` is no evidence: a word alone is no name of a model.
            if generic and model.partition("/")[0] != owner:
                continue
            weight = (facts.downloads + 1) * (MENTION.undated_weight if facts.created_at is None else 1.0)
            weights.append((weight * (MENTION.same_owner_weight if model.partition("/")[0] == owner else 1.0), model))
        if not weights:
            return self._resolve_absent(name, clean)
        weights.sort(key=lambda pair: (-pair[0], pair[1]))
        best = weights[0][1]
        share = weights[0][0] / sum(weight for weight, _ in weights)
        downloads = self._models[best].downloads
        same_owner = best.partition("/")[0] == owner
        popularity = downloads / (downloads + MENTION.half_confidence_downloads)
        known = MENTION.same_owner_confidence if same_owner else popularity
        confidence = round(MENTION.max_renamed_confidence * share * known, 4)
        resolution = Resolution.RENAMED if confidence >= MIN_ACTIVE_CONFIDENCE else Resolution.AMBIGUOUS
        evidence = MentionEvidence(
            candidates=len(weights), share=round(share, 4), downloads=downloads, same_owner=same_owner
        )
        return ResolvedName(best, resolution, confidence, evidence)

    def _resolve_absent(self, name: str, clean: str) -> ResolvedName:
        if kind := _looks_like(clean):
            evidence = MentionEvidence(looks_like=kind)
            return ResolvedName(name, Resolution.ABSENT, MENTION.absent_path_confidence, evidence)
        owner, _, part = clean.partition("/")
        if part and (moved := self._renames.owners.get(owner.lower())) is not None:
            evidence = MentionEvidence(
                owner_now=moved.new, names_in_common=moved.repositories, renamed_on=moved.last_seen
            )
            return ResolvedName(
                f"{moved.new}/{part}", Resolution.RENAMED, self._owner_confidence(moved.repositories), evidence
            )
        confidence = MENTION.absent_full_name_confidence if "/" in clean else MENTION.absent_short_name_confidence
        return ResolvedName(clean, Resolution.ABSENT, confidence, MentionEvidence())

    def _discount_younger_parent(self, found: ResolvedName, child_created: str | None) -> ResolvedName:
        parent = self._models.get(found.parent)
        created = parent.created_at if parent is not None else None
        if child_created and created and created > child_created:
            evidence = msgspec.structs.replace(found.evidence, child_older=True)
            confidence = round(found.confidence * MENTION.younger_parent_factor, 4)
            return ResolvedName(found.parent, found.resolution, confidence, evidence)
        return found

    def _find_renamed_owners(self, missing: list[str]) -> dict[str, tuple[str, int]]:
        """Return renamed owners: most of their missing repositories are found under one other owner.

        Returns:
            Old owner to (new owner, number of repositories as evidence), all lower case.
        """
        found: dict[str, dict[str, set[str]]] = defaultdict(lambda: defaultdict(set))
        matched: dict[str, set[str]] = defaultdict(set)
        for clean in missing:
            owner, _, part = clean.lower().rpartition("/")
            if not owner or owner in self._owners or _looks_like(clean):
                continue
            for model in self._ids_by_name.get(part, ()):
                found[owner][model.lower().rpartition("/")[0]].add(part)
                matched[owner].add(part)
        renamed = {}
        for old, candidates in found.items():
            new, parts = max(candidates.items(), key=lambda item: (len(item[1]), item[0]))
            if len(parts) >= MENTION.min_owner_repositories and len(parts) >= MENTION.min_owner_share * len(
                matched[old]
            ):
                renamed[old] = (new, len(parts))
        return renamed
