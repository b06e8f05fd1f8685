"""What stands on a model: counted a second way, with networkx, and a new licence against a real change of the record."""

from __future__ import annotations

import networkx
import pytest

from atlas_db.compliance.impact import measure_impact
from atlas_db.core.errors import LicenseNotFoundError, ModelNotFoundError
from atlas_db.licenses.audit import AuditOptions, audit_models
from tests.support.graphs import child, model
from tests.support.kept import kept_store
from tests.support.license_hub import META, ROWS

FAMILY = [
    model("p/root", tags=["license:mit"], pipeline_tag="text-generation"),
    model("p/other", tags=["license:mit"]),
    child("c/one", "finetune:p/root", tags=["license:mit"], downloads=50, pipeline_tag="text-generation"),
    child("c/two", "merge:p/root", "merge:p/other", tags=["license:apache-2.0"], downloads=70),
    child("c/copy", "quantized:p/root", tags=["license:mit"], downloads=5, pipeline_tag="text-generation"),
    child("d/copy", "quantized:c/copy", tags=["license:mit"]),
    child("d/leaf", "finetune:c/one", "finetune:c/two", tags=["license:gpl-3.0"]),
]


def test_descendants_are_those_that_another_library_counts() -> None:
    graph = networkx.DiGraph()
    for row in (*FAMILY, *ROWS):
        graph.add_node(row["id"])
        names = [tag.rsplit(":", 1)[1] for tag in row["tags"] if tag.startswith("base_model:")]
        graph.add_edges_from((name, row["id"]) for name in names)
    store = kept_store([*FAMILY, *ROWS])
    for name in ("p/root", META, "p/nc", "c/one"):
        found = measure_impact(store, name)
        distances = networkx.single_source_shortest_path_length(graph, name)
        assert found.descendants == len(distances) - 1
        assert sum(found.by_distance.values()) == found.descendants
        assert found.by_distance == {
            hops: list(distances.values()).count(hops) for hops in sorted(set(distances.values())) if hops
        }


def test_what_is_lost_and_what_could_stand_in() -> None:
    found = measure_impact(kept_store(FAMILY), "p/root")
    assert (found.only_here, found.copies) == (2, 2)
    assert found.largest[0]["model"] == "c/two"
    assert [each.model for each in found.substitutes] == ["c/copy"]
    of_child = measure_impact(kept_store(FAMILY), "c/one").substitutes
    assert [(each.model, each.why, each.same_task) for each in of_child] == [
        ("p/root", "parent", True), ("c/copy", "sibling", True), ("c/two", "sibling", False),
    ]  # fmt: skip


def test_a_new_licence_changes_what_a_changed_record_would() -> None:
    found = measure_impact(kept_store(FAMILY), "p/root", "CC-BY-NC-4.0")
    changed = {each.model: (each.before, each.after) for each in found.relicensed}
    names = [row["id"] for row in FAMILY if row["id"] not in ("p/root", "p/other")]
    verdicts = []
    for license_id in ("mit", "cc-by-nc-4.0"):
        rows = [{**row, "tags": [f"license:{license_id}"]} if row["id"] == "p/root" else row for row in FAMILY]
        store = kept_store(rows)
        verdicts.append({each: next(iter(audit_models(store, [each], AuditOptions()).verdicts)) for each in names})
    assert changed == {
        each: (verdicts[0][each], verdicts[1][each]) for each in names if verdicts[0][each] != verdicts[1][each]
    }
    assert len(changed) == len(names) == sum(found.verdicts.values())


def test_unknown_names_are_errors_with_suggestions() -> None:
    with pytest.raises(LicenseNotFoundError, match="Did you mean"):
        measure_impact(kept_store(FAMILY), "p/root", "apache-2.00")
    with pytest.raises(ModelNotFoundError, match="Did you mean p/root"):
        measure_impact(kept_store(FAMILY), "p/roots")
