"""The licence catalogue: a data file with one licence per line, and the loader that validates it.

The file is `licenses.jsonl` in this package. Versions are separate entries (llama3 is not llama3.1). No entry is keyed
on the name of a model. SPDX ids come from the SPDX License List 3.27. Where it has none, `ref` is a LicenseRef: that of
ScanCode's LicenseDB where there is one, else `LicenseRef-hub-…`.
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum
from functools import cache
from importlib import resources
from typing import Annotated, Any, TypeVar

import msgspec

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
    compatible: list[str] = []
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
    """All licences, by id, alias or SPDX identifier."""

    def __init__(self, rows: Iterable[License], file_name: str = FILE) -> None:
        self._rows: dict[str, License] = {}
        self._ids_by_alias: dict[str, str] = {}
        for row in rows:
            if row.id in self._rows:
                raise CatalogueError(f"{file_name} has the id {row.id} twice", hint="Remove one of the lines")
            self._rows[row.id] = row
        for row in self._rows.values():
            for other in row.compatible:
                if other not in self._rows:
                    raise CatalogueError(f"{file_name}: {row.id} names the unknown id {other}", hint="Fix `compatible`")
            for alias in (*row.aliases, *_spdx_names(row)):
                if self._ids_by_alias.setdefault(alias, row.id) != row.id or (alias in self._rows and alias != row.id):
                    raise CatalogueError(f"{file_name}: {alias} means two licences", hint="Remove it from one of them")

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
        """Return the id of a licence by id, alias or SPDX identifier; None where it is unknown."""
        for form in dict.fromkeys((text, "-".join(text.replace("_", " ").split()), " ".join(text.split("_")))):
            if form in self._rows:
                return form
            if (found := self._ids_by_alias.get(form)) is not None:
                return found
        return None


def _spdx_names(row: License) -> list[str]:
    if row.spdx is None:
        return []
    name = row.spdx.lower()
    # The Hub's GNU ids do not distinguish `-only` from `-or-later`.
    return [each for each in (name, name.replace("-only", "-or-later")) if each != row.id]


@cache
def catalogue() -> Catalogue:
    """Return the shipped catalogue."""
    text = resources.files(__package__).joinpath(FILE).read_bytes()
    return Catalogue(read_rows(text, License, FILE))
