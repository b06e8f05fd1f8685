"""Tests of `atlas_db/dashboard/map/place_names.py`."""

from __future__ import annotations

from pathlib import Path

from atlas_db.analysis.frames import read_frames
from atlas_db.dashboard.map.model_map import build_map
from atlas_db.dashboard.map.place_names import MIN_AUTHOR, MIN_BRANCH
from atlas_db.store.bolt import Store
from tests.support.graphs import child, load_rows, model


def test_every_name_lies_over_the_models_that_it_names(local_store: Store, tmp_path: Path) -> None:
    rows = [
        model("r/root", downloads=50),
        *(child(f"b/{n}", "finetune:r/root") for n in range(5)),
        *(child(f"c/{n}", "quantized:b/0") for n in range(MIN_BRANCH)),
        *(child(f"s/{n}", "finetune:t/two") for n in range(2)), model("t/two"),
        *(model(f"busy/{n}", pipeline_tag="fill-mask") for n in range(MIN_AUTHOR)),
        *(model(f"alone{n}/x", pipeline_tag="fill-mask") for n in range(4)), model("none/x"),
    ]  # fmt: skip
    load_rows(local_store, tmp_path, rows)
    made = build_map(read_frames(local_store))
    found = {(place.kind, place.text): place for place in made.places}
    assert found["family", "r/root"].models == 11
    assert found["branch", "b/0"].models == 1 + MIN_BRANCH
    assert found["author", "busy"].models == MIN_AUTHOR
    assert ("family", "t/two") not in found, "small families are isles"
    assert {text: place.models for (kind, text), place in found.items() if kind == "zone"} == {
        "small families": 3, "fill-mask": MIN_AUTHOR + 4, "no task declared": 1,
    }  # fmt: skip
    for (kind, text), place in found.items():
        covered = made.names[place.first : place.first + place.models]
        if kind in ("family", "branch", "model"):
            assert covered[0] == text
        if kind == "author":
            assert {name.split("/")[0] for name in covered} == {text}
    branch = found["branch", "b/0"]
    assert set(made.names[branch.first + 1 : branch.first + branch.models]) == {f"c/{n}" for n in range(MIN_BRANCH)}
