"""What each licence says: a data file with a schema, one licence a line, and the loader that refuses a broken line.

The file is `licenses.jsonl` beside this module. Versions are kept apart (llama3 is not llama3.1), and nothing is keyed
on the name of a model. `spdx` ids come from the SPDX License List 3.27; where that has none, `ref` is a LicenseRef:
ScanCode's where its LicenseDB has one, else our own `LicenseRef-hub-…`.
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
    """Licences that ask alike. One licence, one family: the strictest that fits."""

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
    """What the licensor allows."""

    USE = "use"
    MODIFY = "modify"
    DISTRIBUTE = "distribute"
    SUBLICENSE = "sublicense"
    COMMERCIAL = "commercial"


class Duty(StrEnum):
    """What whoever passes the model on has to do. All of them travel to derivatives."""

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
        id: The Hub's id, lower case; for a licence that hides under `other`, the usual `license_name`.
        name: Its title.
        ref: SPDX identifier, or a LicenseRef where the SPDX list has none.
        family: Licences that ask alike.
        aliases: Other ways in which people write the id, lower case.
        grants: What is allowed.
        obligations: Duties with clause and scope.
        restrictions: Limits with clause.
        relicense: Whether a derivative may go under other terms.
        compatible: Ids that a derivative may go under, where `relicense` is `listed`.
        source: Address of the text.
        date: Date of the text: year, month or day.
        note: What a reader should know.
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
        """Return where the licence says so: the clauses of duties and limits of these types, in their order."""
        said: list[Obligation | Restriction] = [*self.obligations, *self.restrictions]
        return "; ".join(dict.fromkeys(each.clause for each in said if each.type in types))


def read_rows(text: bytes, kind: type[Row], name: str) -> list[Row]:
    """Decode a data file, one row a line; empty lines and lines that begin with # are passed over.

    Args:
        text: The file.
        kind: Type of a row.
        name: The file's name, for messages.

    Raises:
        CatalogueError: A line is no such row; the message names file, line and field.
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
    """All licences, found by id, alias or SPDX identifier."""

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
        """Return the id that a text means; None where nothing is known of it."""
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
    # The Hub's GNU ids do not say which of the two is meant.
    return [each for each in (name, name.replace("-only", "-or-later")) if each != row.id]


@cache
def catalogue() -> Catalogue:
    """Return the catalogue that is shipped."""
    text = resources.files(__package__).joinpath(FILE).read_bytes()
    return Catalogue(read_rows(text, License, FILE))
