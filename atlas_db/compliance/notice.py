"""One NOTICE for a set of models: who holds which licence above them, required sentences, names, and texts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from importlib import resources
from typing import Annotated, Any

import msgspec

from atlas_db.catalogue.loader import Duty, License, Text, read_rows
from atlas_db.core.decoding import prepared
from atlas_db.licenses.audit import DISCLAIMER
from atlas_db.licenses.card_model import CardModel
from atlas_db.licenses.duties import LicenseDuty, above, gather_duties, licenses_of, unknown_holders
from atlas_db.licenses.model_lineage import read_lineage, require_some_known
from atlas_db.store.bolt import Store

FILE = "notices.jsonl"
_WIDTH = 78


@prepared
class RequiredWords(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Words that a licence requires, quoted from its text.

    Attributes:
        license: Id of the licence.
        notice: Sentence for the NOTICE file.
        built_with: Words to display; the first of several that the licence offers.
        prefix: Words with which the name of a derivative begins.
        clause: Clause that requires them.
        source: Address of the text.
    """

    license: Text
    clause: Text
    source: Annotated[str, msgspec.Meta(pattern="^https://")]
    notice: str = ""
    built_with: str = ""
    prefix: str = ""


@cache
def required_words() -> Mapping[str, RequiredWords]:
    """Return the words that licences require, by id of the licence."""
    text = resources.files(__package__).joinpath("data", FILE).read_bytes()
    return {row.license: row for row in read_rows(text, RequiredWords, FILE)}


@dataclass(slots=True)
class LicenseNotice:
    """One licence in a notice.

    Attributes:
        license: The licence.
        holders: Paths of models and datasets under it, nearest first.
        words: Words that it requires, if any.
        duties: Its duties on distribution.
        alternative: Expression in which it is one of several to choose from; else empty.
    """

    license: License
    holders: list[str] = field(default_factory=list)
    words: RequiredWords | None = None
    duties: list[LicenseDuty] = field(default_factory=list)
    alternative: str = ""

    def row(self) -> dict[str, Any]:
        """Return it as a JSON object."""
        return {
            "license": self.license.id,
            "name": self.license.name,
            "ref": self.license.ref,
            "text": self.license.source,
            "alternative": self.alternative or None,
            "holders": self.holders,
            "required": None if self.words is None else msgspec.to_builtins(self.words),
            "duties": [{"duty": str(d.obligation.type), "clause": d.obligation.clause} for d in self.duties],
        }


@dataclass(slots=True)
class Notice:
    """The notice for a set of models.

    Attributes:
        models: Their ids.
        licenses: Licences of the models and of all above them, by id.
        unknown: Paths without a licence that the catalogue knows: what they ask is not known.
        unresolved: Parents that are named, and not known.
        texts: Licence files of models read from folders: path and text.
    """

    models: list[str]
    licenses: list[LicenseNotice] = field(default_factory=list)
    unknown: list[str] = field(default_factory=list)
    unresolved: list[str] = field(default_factory=list)
    texts: list[tuple[str, str]] = field(default_factory=list)

    def document(self) -> dict[str, Any]:
        """Return it as a JSON object."""
        return {
            "models": self.models,
            "licenses": [each.row() for each in self.licenses],
            "unknown": self.unknown,
            "unresolved": self.unresolved,
            "texts": [name for name, _ in self.texts],
            "disclaimer": DISCLAIMER,
        }

    def text(self) -> str:
        """Return the notice as the text of a NOTICE file. What has to be checked by a person begins with TO DO."""
        lines = [f"NOTICE for {', '.join(self.models)}", ""]
        words = [each.words for each in self.licenses if each.words is not None]
        lines += [each.notice for each in words if each.notice]
        lines += [f"{each.built_with} ({each.clause})" for each in words if each.built_with]
        lines += [
            f"The name of a model made with these begins with {each.prefix!r} ({each.clause})."
            for each in words
            if each.prefix
        ]
        for each in self.licenses:
            lines += ["", "-" * _WIDTH, f"{each.license.name} ({each.license.ref})", f"Text: {each.license.source}"]
            if each.alternative:
                lines.append(f"One of the choices of {each.alternative}")
            lines += ["Applies to:", *(f"  {holder}" for holder in each.holders)]
            if each.duties:
                lines.append("Asks of whoever distributes:")
                lines += [f"  {_duty(duty)}" for duty in each.duties]
        if self.unknown or self.unresolved:
            lines += ["", "-" * _WIDTH, "TO DO: what these ask is not known here"]
            lines += [f"  {each}" for each in (*self.unknown, *self.unresolved)]
        for name, text in self.texts:
            lines += ["", "=" * _WIDTH, name, "", text.rstrip()]
        return "\n".join([*lines, "", DISCLAIMER]) + "\n"


def collect_notice(
    store: Store, models: Sequence[str], folders: Sequence[CardModel] = (), *, data: bool = True
) -> Notice:
    """Gather the notice for models.

    Args:
        store: The store.
        models: Model ids; those that are not in the atlas are among the unknown.
        folders: Models read from files; the texts of their licence files are part of the notice.
        data: Whether training data count.

    Raises:
        EmptyStoreError: The store holds no models, and ids are named.
        ModelNotFoundError: The atlas has none of the models.
    """
    require_some_known(store, models, folders)
    lineage = read_lineage(store, models, folders)
    graph = lineage.graph
    requested = [*dict.fromkeys([*(folder.id for folder in folders), *models])]
    nodes = list(above(graph, [lineage.index_of[each] for each in requested], data=data))
    found: dict[str, LicenseNotice] = {}
    for node in nodes:
        for entry, choice in licenses_of(graph, node):
            notice = found.setdefault(entry.id, LicenseNotice(entry, alternative=choice))
            notice.alternative = notice.alternative and choice
            notice.holders.append(graph.path(node))
            notice.words = required_words().get(entry.id)
    for duty in gather_duties(graph, nodes):
        found[duty.license.id].duties.append(duty)
    texts = [
        (f"{folder.id}/{each.file}", (folder.place / each.file).read_text(encoding="utf-8", errors="replace"))
        for folder in folders
        if folder.place is not None
        for each in folder.license_files
    ]
    return Notice(
        requested, [found[each] for each in sorted(found)], unknown_holders(graph, nodes),
        [str(each) for each in lineage.unresolved], texts,
    )  # fmt: skip


_TO_DO = {
    Duty.NOTICE_FILE: "TO DO, copy the notices of the original", Duty.STATE_CHANGES: "TO DO, say what you changed",
    Duty.ATTRIBUTION: "TO DO, name the authors as they ask", Duty.INCLUDE_LICENSE: "add the text of the licence",
}  # fmt: skip
"""What is left to do for a duty, in words."""


def _duty(duty: LicenseDuty) -> str:
    kind = duty.obligation.type
    words = f"{str(kind).replace('_', ' ')} ({duty.obligation.clause})"
    return f"{words}: {_TO_DO[kind]}" if kind in _TO_DO else words
