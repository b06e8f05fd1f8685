"""Repositories that an atlas lacks, requested of the Hub: models, their parents and training data, up to the roots."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

from atlas_db.claims.declared_parents import ParentDeclaration
from atlas_db.claims.model_names import NameEvidence
from atlas_db.claims.repository_ids import is_owned_id, repository_name
from atlas_db.claims.resolve import fuse_claims, resolve_declarations
from atlas_db.core.errors import RecordError
from atlas_db.core.records import HubRecord, repository_path
from atlas_db.core.terms import METHODS, Progress, RecordKind, Source
from atlas_db.licenses.completeness import named
from atlas_db.snapshot.repositories import UNRESOLVED, KeptRepositories, Repositories, Repository

MAX_REQUESTS = 500
"""Records that are requested of the Hub, at most: a lineage has tens."""
RecordRequest = Callable[[RecordKind, str], HubRecord | None]
"""Returns the record of a repository from the Hub, None where it has none. A RecordError tells why one is not read."""


@dataclass(slots=True)
class OnlineAnswer:
    """What was requested of the Hub.

    Attributes:
        repositories: The atlas with what the Hub added.
        found: Paths of repositories that the Hub has a record of.
        missing: Paths of those that it has none of, or that this token may not see.
        unread: Why a record that the Hub has cannot be read, by path.
        unrequested: Number of repositories that were not requested, because there were too many.
        renamed: Id that a model bears on the Hub today, by the name that was requested.
        offline: Whether only answers on disk were used.
    """

    repositories: KeptRepositories
    found: list[str] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)
    unread: dict[str, str] = field(default_factory=dict)
    unrequested: int = 0
    renamed: dict[str, str] = field(default_factory=dict)
    offline: bool = False

    def words(self) -> str:
        """Return the answer in one sentence."""
        why = "no answer on disk, and HF_HUB_OFFLINE is set" if self.offline else "none there, or none that we may see"
        lacking = f"; {why}: {named(self.missing)}" if self.missing else ""
        why_unread = next(iter(self.unread.values()), "")
        unread = f"; cannot be read: {named(list(self.unread))} ({why_unread})" if self.unread else ""
        rest = f"; {self.unrequested} were not requested" if self.unrequested else ""
        return f"From the Hub: {len(self.found)} records that this atlas lacks{lacking}{unread}{rest}."


def complete_lineage(
    base: Repositories,
    models: Iterable[str],
    datasets: Iterable[str],
    request: RecordRequest,
    today: str,
    progress: Progress = lambda *_: None,
    *,
    offline: bool = False,
) -> OnlineAnswer:
    """Request from the Hub for models, all their ancestors and training data, as far as an atlas has no record of them.

    Args:
        base: The atlas.
        models: Names of models, as ids or as cards write them.
        datasets: Ids of datasets.
        request: Requests a record from the Hub.
        today: Day of the question, the date of the records.
        progress: Called with the progress.
        offline: Whether only answers on disk are used, so that what is not found may be there.
    """
    answer = OnlineAnswer(KeptRepositories(base, "" if offline else today), offline=offline)
    return _Search(base, request, today, progress, answer).run(list(models), list(datasets))


class _Search:
    """A search upwards, level by level. Parents of new records are resolved when all levels are there."""

    def __init__(
        self, base: Repositories, request: RecordRequest, today: str, progress: Progress, answer: OnlineAnswer
    ) -> None:
        self._base, self._request, self._today, self._progress = base, request, today, progress
        self._answer = answer
        self._records: dict[str, HubRecord] = {}

    def run(self, models: list[str], datasets: list[str]) -> OnlineAnswer:
        level = [repository_name(each) for each in models]
        seen: set[str] = set()
        data = dict.fromkeys(datasets)
        while level := [each for each in dict.fromkeys(level) if each not in seen]:
            seen.update(level)
            known = self._base.find(RecordKind.MODEL, level)
            above: list[str] = []
            for name in level:
                repository = known.get(name)
                if (repository is None or not repository.is_known) and is_owned_id(name):
                    record = self._fetch(RecordKind.MODEL, name)
                    if record is not None:
                        above += [repository_name(claim.name) for claim in record.parents]
                        data |= {each.value: None for each in record.claims if each.rel == "TRAINED_ON"}
                if repository is not None:
                    above += [edge["id"] for edge in repository.parents]
                    data |= {edge["id"]: None for edge in repository.data}
            level = above
        self._fetch_datasets(list(data))
        self._keep_models()
        return self._answer

    def _fetch(self, kind: RecordKind, name: str) -> HubRecord | None:
        answer = self._answer
        requested = len(answer.found) + len(answer.missing) + len(answer.unread)
        if requested >= MAX_REQUESTS:
            answer.unrequested += 1
            return None
        self._progress("request from the Hub", requested, 0)
        try:
            record = self._request(kind, name)
        except RecordError as error:
            answer.unread[repository_path(name, kind)] = error.message
            return None
        if record is None or record.kind is not kind:
            answer.missing.append(repository_path(name, kind))
            return None
        answer.found.append(repository_path(record.id, kind))
        if kind is RecordKind.MODEL:
            self._records[record.id] = record
            if record.id != name:
                answer.renamed[name] = record.id
        return record

    def _fetch_datasets(self, datasets: Sequence[str]) -> None:
        known = self._base.find(RecordKind.DATASET, datasets) if datasets else {}
        for name in datasets:
            if name not in known or known[name].placeholder:
                record = self._fetch(RecordKind.DATASET, name)
                if record is not None:
                    kept = _repository_of(record, self._today)
                    kept.id = name
                    self._answer.repositories.keep(kept)

    def _keep_models(self) -> None:
        """Resolve the parents of all new records against these and the atlas, and keep them."""
        names = {repository_name(claim.name) for record in self._records.values() for claim in record.parents}
        known = {name for name, each in self._base.find(RecordKind.MODEL, sorted(names)).items() if each.is_known}
        models = dict.fromkeys([*known, *self._records], NameEvidence(0, None))
        for record in self._records.values():
            declarations = [
                ParentDeclaration(
                    record.id, self._answer.renamed.get(repository_name(c.name), c.name), c.part, c.relation,
                    c.confidence, c.by, self._today, self._today, None, c.relation_word, c.merge,
                )
                for c in record.parents
            ]  # fmt: skip
            claims = resolve_declarations(models, declarations)
            kept = _repository_of(record, self._today)
            kept.parents = [
                {"id": edge.parent, "relation": str(edge.relation), "confidence": edge.confidence,
                 "status": str(edge.status), "active": True}
                for edge in fuse_claims(claims)
            ]  # fmt: skip
            kept.mentions = [
                {"guess": each.parent, "mention": each.mention, "resolution": str(each.resolution),
                 "evidence": each.evidence, "method": each.method}
                for each in claims
                if each.resolution in UNRESOLVED
            ]  # fmt: skip
            self._answer.repositories.keep(kept)
        for name in (*self._answer.missing, *self._answer.unread):
            if name in names and name not in known:
                self._answer.repositories.keep(Repository(name, RecordKind.MODEL, placeholder=True))


def _repository_of(record: HubRecord, today: str) -> Repository:
    props = {name: value for name, value in {**record.details, **record.stated}.items() if value is not None}
    claim = {"source": str(Source.DECLARED), "first_seen": today, "last_seen": today}
    licenses = [
        {"id": each.value, "confidence": each.confidence, "method": METHODS[each.part], **claim}
        for each in record.claims
        if each.rel == "HAS_LICENSE"
    ]
    data = [{"id": each.value, "confidence": each.confidence} for each in record.claims if each.rel == "TRAINED_ON"]
    return Repository(record.id, record.kind, False, {**props, "last_seen": today}, licenses, data=data)
