"""Suppressions: findings that a person has reviewed and accepted, with a reason and an expiry date."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Annotated

import msgspec

from atlas_db.catalogue.loader import Text
from atlas_db.core.decoding import MalformedError, prepared, read_toml
from atlas_db.core.errors import SuppressionError
from atlas_db.core.files import reason_of


class Suppression(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One suppression.

    Attributes:
        model: Model id of the child.
        reason: Reason.
        expires: Last day of validity.
        rule: Rule id; any rule where empty.
        ancestor: Path of the ancestor, that of a dataset with `datasets/`; any where empty.
    """

    model: Text
    reason: Annotated[str, msgspec.Meta(min_length=3)]
    expires: date
    rule: str = ""
    ancestor: str = ""

    def row(self) -> dict[str, str]:
        """Return it as a row of the report."""
        return {
            "model": self.model, "rule": self.rule, "ancestor": self.ancestor, "reason": self.reason,
            "expires": self.expires.isoformat(),
        }  # fmt: skip

    def covers(self, model: str, ancestor: str, rule: str) -> bool:
        """Return whether it applies to a finding."""
        return self.model == model and self.rule in ("", rule) and self.ancestor in ("", ancestor)


@prepared
class _File(msgspec.Struct, forbid_unknown_fields=True):
    suppress: list[Suppression]


def read_suppressions(path: Path, today: date, rules: frozenset[str]) -> list[Suppression]:
    """Read a suppression file: TOML, one `[[suppress]]` table each.

    Args:
        path: The file.
        today: Day of the audit.
        rules: Ids of all rules.

    Raises:
        SuppressionError: The file is malformed, names an unknown rule, or has expired.
    """
    try:
        found = read_toml(path, _File).suppress
    except (OSError, MalformedError) as error:
        raise SuppressionError(
            f"{path} is no suppression file: {reason_of(error)}",
            hint="Each [[suppress]] table takes model, reason, expires (a date), and rule and ancestor if you like",
        ) from error
    for each in found:
        if each.rule and each.rule not in rules:
            raise SuppressionError(f"{path}: there is no rule {each.rule!r}", hint="See the rule of the finding")
        if each.expires < today:
            raise SuppressionError(
                f"{path}: the suppression of {each.rule or 'all rules'} for {each.model} expired on {each.expires}",
                hint="Look at the finding again; then set a new date or remove the table",
            )
    return found
