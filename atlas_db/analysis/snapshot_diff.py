"""Differences of two snapshots: new and vanished models, changed licences, changed parents."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from atlas_db.analysis.groupings import drift_direction
from atlas_db.core.records import HubRecord
from atlas_db.core.terms import RecordKind
from atlas_db.store.bolt import Store
from atlas_db.store.statements import all_nodes


class SnapshotEntry(NamedTuple):
    """Values of a model that are compared.

    Attributes:
        license: First declared licence.
        parents: Names of parents as written, in lower case, sorted.
    """

    license: str | None
    parents: tuple[str, ...]


@dataclass(slots=True)
class SnapshotDifference:
    """Differences of two snapshots.

    Attributes:
        models: Number of models in the first and in the second.
        new: Ids that only the second has.
        vanished: Ids that only the first has.
        licenses: Changed licences: model, before, after, direction (tighter, looser, lateral, gained, dropped or
            unclear).
        moved: Changed parents: model, before, after.
    """

    models: tuple[int, int]
    new: list[str] = field(default_factory=list)
    vanished: list[str] = field(default_factory=list)
    licenses: list[dict[str, Any]] = field(default_factory=list)
    moved: list[dict[str, Any]] = field(default_factory=list)

    def counts(self) -> dict[str, Any]:
        """Return the number of differences of each kind."""
        return {
            "models": list(self.models),
            "new": len(self.new),
            "vanished": len(self.vanished),
            "licenses": dict(Counter(row["direction"] for row in self.licenses).most_common()),
            "moved": len(self.moved),
        }


def entries_of_store(store: Store) -> dict[str, SnapshotEntry]:
    """Return the entries of all models of a store that have a record, by id."""
    rows = store.fetch_all(all_nodes("Model", ("id", "placeholder", "license", "base_model")))
    return {
        name: SnapshotEntry(license_id, _names(parents or ()))
        for name, placeholder, license_id, parents in rows
        if not placeholder
    }


def entries_of_records(records: Iterable[HubRecord]) -> dict[str, SnapshotEntry]:
    """Return the entries of the models among records, by id; the last record of a model counts."""
    return {
        record.id: SnapshotEntry(
            next((claim.value for claim in record.claims if claim.rel == "HAS_LICENSE"), None),
            _names(parent.name for parent in record.parents),
        )
        for record in records
        if record.kind is RecordKind.MODEL
    }


def _names(written: Iterable[str]) -> tuple[str, ...]:
    return tuple(sorted({name.strip().lower() for name in written}))


def compare_snapshots(before: Mapping[str, SnapshotEntry], after: Mapping[str, SnapshotEntry]) -> SnapshotDifference:
    """Return the differences of two snapshots."""
    found = SnapshotDifference((len(before), len(after)))
    found.new = sorted(after.keys() - before.keys())
    found.vanished = sorted(before.keys() - after.keys())
    for name in sorted(before.keys() & after.keys()):
        old, new = before[name], after[name]
        if old.license != new.license:
            direction = drift_direction(old.license, new.license)
            row = {"model": name, "before": old.license, "after": new.license, "direction": direction}
            found.licenses.append(row)
        if old.parents != new.parents:
            found.moved.append({"model": name, "before": list(old.parents), "after": list(new.parents)})
    return found
