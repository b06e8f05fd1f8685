"""The licence catalogue: a data file with one licence per line, and the loader that validates it.

The file is `licenses.jsonl` in this package. Versions are separate entries (llama3 is not llama3.1). No entry is keyed
on the name of a model. SPDX ids come from the SPDX License List 3.28. Where it has none, `ref` is a LicenseRef: that of
ScanCode's LicenseDB where the index of license-expression has one, else `LicenseRef-hub-…`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from enum import StrEnum
from functools import cache
from importlib import resources
from typing import Annotated, Any, TypeVar

import msgspec

from atlas_db.catalogue.addresses import is_address, license_on_page, normalise_address
from atlas_db.catalogue.titles import title_key
from atlas_db.core.decoding import prepared
from atlas_db.core.errors import CatalogueError

FILE = "licenses.jsonl"
Text = Annotated[str, msgspec.Meta(min_length=1)]
Row = TypeVar("Row")


class LicenseFamily(StrEnum):
    """Group of licences with equal requirements. Each licence is in one family: the strictest that fits."""

    PUBLIC_DOMAIN = "public_domain"
    PERMISSIVE = "permissive"
    WEAK_COPYLEFT = "weak_copyleft"
    STRONG_COPYLEFT = "strong_copyleft"
    SHARE_ALIKE = "share_alike"
    NON_COMMERCIAL = "non_commercial"
    NO_DERIVATIVES = "no_derivatives"
    RAIL = "rail"
    LLAMA2 = "llama2"
    LLAMA3 = "llama3"
    LLAMA3X = "llama3x"
    GEMMA = "gemma"
    VENDOR = "vendor"
    UNKNOWN = "unknown"


class Grant(StrEnum):
    """Permission that a licence grants."""

    USE = "use"
    MODIFY = "modify"
    DISTRIBUTE = "distribute"
    SUBLICENSE = "sublicense"
    COMMERCIAL = "commercial"


class Duty(StrEnum):
    """Duty of anyone who distributes the model. All duties apply to derivatives, too."""

    INCLUDE_LICENSE = "include_license"
    RETAIN_NOTICE = "retain_notice"
    NOTICE_FILE = "notice_file"
    STATE_CHANGES = "state_changes"
    ATTRIBUTION = "attribution"
    SAME_LICENSE = "same_license"
    DISCLOSE_SOURCE = "disclose_source"
    NETWORK_SOURCE = "network_source"
    NO_FURTHER_RESTRICTIONS = "no_further_restrictions"
    USE_RESTRICTIONS = "use_restrictions"
    ACCEPTABLE_USE_POLICY = "acceptable_use_policy"
    NON_COMMERCIAL = "non_commercial"
    NAME_PREFIX = "name_prefix"
    DISPLAY_BUILT_WITH = "display_built_with"


class Limit(StrEnum):
    """What the licensor withholds."""

    NON_COMMERCIAL = "non_commercial"
    RESEARCH_ONLY = "research_only"
    NO_DERIVATIVES = "no_derivatives"
    USE_BASED = "use_based"
    COMPUTATIONAL_USE = "computational_use"
    OUTPUT_TRAINING = "output_training"
    MAU_THRESHOLD = "mau_threshold"
    REVENUE_THRESHOLD = "revenue_threshold"
    COMMERCIAL_BY_GRANT = "commercial_by_grant"
    HOSTING = "hosting"
    JURISDICTION = "jurisdiction"
    TRADEMARK = "trademark"
    NO_PATENT_GRANT = "no_patent_grant"


class Scope(StrEnum):
    """When a duty falls due."""

    DISTRIBUTE = "distribute"
    HOST = "host"
    TRAIN_ON_OUTPUTS = "train_on_outputs"


class Relicense(StrEnum):
    """Whether whoever makes a derivative may put it under other terms."""

    ANY = "any"
    CONDITIONS = "conditions"
    NON_COMMERCIAL = "non_commercial"
    LISTED = "listed"
    SAME = "same"
    NONE = "none"
    UNKNOWN = "unknown"


class TextEvidence(StrEnum):
    """What an entry rests on: the licence's text was read, or descriptions of it."""

    READ = "read"
    DESCRIBED = "described"


class Obligation(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One duty, with the clause that sets it."""

    type: Duty
    clause: Text
    scope: Scope = Scope.DISTRIBUTE


class Restriction(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One limit, with the clause that sets it."""

    type: Limit
    clause: Text


@prepared
class License(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One licence.

    Attributes:
        id: The Hub's id, lower case; for a licence declared as `other`, the usual `license_name`.
        name: Its title.
        ref: SPDX identifier, or a LicenseRef where the SPDX list has none.
        family: Group of licences with equal requirements.
        aliases: Other spellings of the id, lower case.
        grants: Permissions.
        obligations: Duties with clause and scope.
        restrictions: Limits with clause.
        relicense: Whether a derivative may have other terms.
        compatible: Ids that a derivative may have, where `relicense` is `listed`.
        source: Address of the text.
        date: Date of the text: year, month or day.
        text: Whether the text was read for this entry, or only descriptions of it.
        read_on: Day of that reading; empty where it was not recorded.
        read_at: Address of the copy or description that was read, where it is not `source`.
        addresses: Further addresses of the text.
        titles: Titles that mean this entry in repositories of `owners` only, because other texts bear them, too.
        owners: Owners of repositories, lower case.
        later: Ids of the later versions that "or any later version" includes.
        note: Remark for readers.
        hub: True where the Hub's list of licences has the id.
    """

    id: Annotated[str, msgspec.Meta(pattern=r"^[a-z0-9][a-z0-9.+-]*$")]
    name: Text
    ref: Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9][A-Za-z0-9.+-]*$")]
    family: LicenseFamily
    aliases: list[str]
    grants: list[Grant]
    obligations: list[Obligation]
    restrictions: list[Restriction]
    relicense: Relicense
    source: Annotated[str, msgspec.Meta(pattern="^https://")]
    date: Annotated[str, msgspec.Meta(pattern=r"^\d{4}(-\d\d){0,2}$")]
    text: TextEvidence
    read_on: Annotated[str, msgspec.Meta(pattern=r"^(\d{4}-\d\d-\d\d)?$")] = ""
    read_at: Annotated[str, msgspec.Meta(pattern="^(https://.*)?$")] = ""
    compatible: list[str] = []
    addresses: list[str] = []
    titles: list[str] = []
    owners: list[str] = []
    later: list[str] = []
    note: str = ""
    hub: bool = True

    @property
    def spdx(self) -> str | None:
        """SPDX identifier, None where the SPDX list has none."""
        return None if self.ref.startswith("LicenseRef-") else self.ref

    def clauses(self, *types: str) -> str:
        """Return the clauses that set the duties and limits of the given types, in their order."""
        terms: list[Obligation | Restriction] = [*self.obligations, *self.restrictions]
        return "; ".join(dict.fromkeys(each.clause for each in terms if each.type in types))


def read_rows(text: bytes, kind: type[Row], name: str) -> list[Row]:
    """Decode a data file with one row per line. Empty lines and lines that begin with # are skipped.

    Args:
        text: The file.
        kind: Type of a row.
        name: The file's name, for messages.

    Raises:
        CatalogueError: A line is not a valid row; the message names file, line and field.
    """
    decoder = msgspec.json.Decoder(kind)
    rows = []
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip() or line.startswith(b"#"):
            continue
        try:
            rows.append(decoder.decode(line))
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise CatalogueError(f"{name}, line {number}: {error}", hint="Fix the line") from error
    return rows


class Catalogue:
    """All licences, by id, alias, SPDX identifier, address of the text, or title with an owner."""

    def __init__(self, rows: Iterable[License], file_name: str = FILE) -> None:
        self._rows: dict[str, License] = {}
        self._ids_by_alias: dict[str, str] = {}
        self._ids_by_address: dict[str, str] = {}
        self._ids_by_title: dict[tuple[str, str], str] = {}
        for row in rows:
            if row.id in self._rows:
                raise CatalogueError(f"{file_name} has the id {row.id} twice", hint="Remove one of the lines")
            self._rows[row.id] = row
        sources = Counter(row.source for row in self._rows.values())
        for row in self._rows.values():
            for other in (*row.compatible, *row.later):
                if other not in self._rows:
                    raise CatalogueError(f"{file_name}: {row.id} names the unknown id {other}", hint="Fix that list")
            for alias in (*row.aliases, *_reference_names(row)):
                if alias in self._rows and alias != row.id:
                    raise CatalogueError(f"{file_name}: {alias} means two licences", hint="Remove it from one of them")
                _add(self._ids_by_alias, alias, row.id, file_name)
            # A page that several entries name as their source is about licences in general.
            own = [row.source] if sources[row.source] == 1 else []
            for address in dict.fromkeys(map(normalise_address, [*own, *row.addresses])):
                _add(self._ids_by_address, address, row.id, file_name)
            for owner in row.owners:
                for title in row.titles:
                    _add(self._ids_by_title, (owner, title), row.id, file_name)
        self._ids_by_key = _unique_keys(self._rows.values())

    def __iter__(self) -> Any:  # noqa: ANN401
        return iter(self._rows.values())

    def __len__(self) -> int:
        return len(self._rows)

    def __contains__(self, identifier: str) -> bool:
        return identifier in self._rows

    def get(self, identifier: str) -> License | None:
        """Return the licence of exactly this id."""
        return self._rows.get(identifier)

    def canonical(self, text: str) -> str | None:
        """Return the id of a licence by id, alias, SPDX identifier, title or address; None where it is unknown."""
        for form in dict.fromkeys((text, "-".join(text.replace("_", " ").split()), " ".join(text.split("_")))):
            if form in self._rows:
                return form
            if (found := self._ids_by_alias.get(form)) is not None:
                return found
        return self.at_address(text) if is_address(text) else self._ids_by_key.get(title_key(text))

    def at_address(self, text: str) -> str | None:
        """Return the id of the licence whose text has this address; None where that is unknown."""
        address = normalise_address(text)
        if (found := self._ids_by_address.get(address)) is not None:
            return found
        page = license_on_page(address)
        return None if page is None else self.canonical(page)

    def titled(self, title: str, owner: str) -> str | None:
        """Return the id of the licence that a title means in the repositories of an owner.

        Args:
            title: `license_name` of a card, lower case. Titles of several texts mean nothing without the owner.
            owner: Owner of the repository.
        """
        return self._ids_by_title.get((owner.lower(), title)) or self.canonical(title)


Key = TypeVar("Key")


def _add(ids: dict[Key, str], key: Key, identifier: str, file_name: str) -> None:
    if ids.setdefault(key, identifier) != identifier:
        raise CatalogueError(f"{file_name}: {key} means two licences", hint="Remove it from one of them")


def _unique_keys(rows: Iterable[License]) -> dict[str, str]:
    """Return ids by their own spelling and by that of their titles. A spelling that fits two licences names none."""
    found: dict[str, set[str]] = {}
    for row in rows:
        names = [row.id, row.name, row.name.removesuffix(" family")]
        # An alias without a version is a habit of cards, not a title: `cc-by` is taken for the version in use.
        names += [each for each in row.aliases if any(character.isdigit() for character in each)]
        names += [row.spdx] if row.spdx is not None else []
        for name in names:
            found.setdefault(title_key(name), set()).add(row.id)
    return {key: next(iter(ids)) for key, ids in found.items() if len(ids) == 1}


def _reference_names(row: License) -> list[str]:
    name = row.ref.lower()
    # "Or later" means the licence itself where the catalogue has no later version.
    later = () if row.later else (name.replace("-only", "-or-later"),)
    return [each for each in (name, *later) if each != row.id]


@cache
def catalogue() -> Catalogue:
    """Return the shipped catalogue."""
    text = resources.files(__package__).joinpath(FILE).read_bytes()
    return Catalogue(read_rows(text, License, FILE))
