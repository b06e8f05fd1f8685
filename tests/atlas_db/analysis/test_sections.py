"""Tests of `atlas_db/analysis/sections.py`."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from atlas_db.analysis.frames import AtlasFrames, read_frames
from atlas_db.analysis.sections import SECTIONS, AnalysisOptions, analyse_sections
from atlas_db.analysis.tables import AnalysisTable
from atlas_db.core.errors import CompletionError, UsageError
from atlas_db.store.bolt import Store
from cypher.query_library import find_query
from ingest.load.load_records import load
from ingest.load.stream import LoadOptions
from tests.support.analysed_hub import filled
from tests.support.graphs import model, write_rows

OPTIONS = AnalysisOptions(seed=3, sample=400, top=10)


def _frames(made: dict[str, list[AnalysisTable]]) -> dict[str, pd.DataFrame]:
    return {table.name: table.frame for tables in made.values() for table in tables}


@pytest.fixture
def atlas(store: Store, tmp_path: Path) -> tuple[AtlasFrames, list[dict[str, Any]]]:
    rows = filled(store, tmp_path)
    return read_frames(store, tmp_path), rows


_SEEN: dict[str, dict[str, Any]] = {}


def test_tables_agree_with_the_rows_and_with_the_other_engine(
    atlas: tuple[AtlasFrames, list[dict[str, Any]]], store: Store
) -> None:
    found, rows = atlas
    made = analyse_sections(found, SECTIONS, OPTIONS)
    frames = _frames(made)
    license_ids = Counter(tag[8:] for row in rows for tag in row["tags"] if tag.startswith("license:"))
    top = frames["top_licenses"]
    assert dict(zip(top["license"], top["models"], strict=True)) == dict(license_ids.most_common(10))
    assert int(frames["growth"]["models"].sum()) == len(rows)
    assert frames["growth"]["total"].iloc[-1] == len(rows)
    known = frames["coverage"].set_index("attribute")
    assert known.loc["license", "declared"] == sum(any(t.startswith("license:") for t in r["tags"]) for r in rows)
    parents = {row["id"]: _parents(row) for row in rows}
    assert known.loc["parent", "declared"] == sum(map(bool, parents.values()))
    assert (known[["declared", "inferred", "predicted", "unknown"]].sum(axis=1) == len(rows)).all()
    in_cypher = {
        row["attribute"]: row["models"]
        for row in store.run_user_query(find_query("coverage").text, {})[1]
        if row["source"] == "declared"
    }
    assert in_cypher["HAS_LICENSE"] == known.loc["license", "declared"]
    assert in_cypher["TRAINED_ON"] == known.loc["datasets", "declared"]
    assert frames["edges"]["edges"].sum() == sum(map(len, parents.values()))
    assert frames["mutation_rates"]["pairs"].max() == sum(map(len, parents.values())) - 1, "one parent has no record"
    _check_mutation(frames["mutation_rates"], rows, parents)
    # That parent is counted apart: what it states is not known, so it is not one that states none.
    assert frames["mutation_rates"].query("relation == 'all'")["not_in_atlas"].unique().tolist() == [1]
    assert known["not_in_atlas"].unique().tolist() == [1]
    steps = frames["license_transitions"]
    assert steps[steps["from"] == "not_in_atlas"]["edges"].tolist() == [1]
    assert int(steps["edges"].sum()) == sum(map(len, parents.values()))
    assert all(name.startswith("datasets/") for name in frames["top_datasets"]["datasets"])
    documents = {name: [table.to_dict() for table in tables] for name, tables in made.items()}
    if _SEEN:
        assert documents == _SEEN["tables"]
    _SEEN["tables"] = documents


def _parents(row: dict[str, Any]) -> list[str]:
    return [tag.rpartition(":")[2] for tag in row["tags"] if tag.startswith("base_model:")]


def _check_mutation(frame: pd.DataFrame, rows: list[dict[str, Any]], parents: dict[str, list[str]]) -> None:
    observed = {row["id"]: {tag[8:] for tag in row["tags"] if tag.startswith("license:")} for row in rows}
    both = [
        observed[name] != observed[above]
        for name, all_above in parents.items()
        for above in all_above
        if observed[name] and observed.get(above)
    ]
    row = frame[(frame["trait"] == "license") & (frame["relation"] == "all")].iloc[0]
    assert (row["both_declare"], row["rate"]) == (len(both), pytest.approx(sum(both) / len(both)))
    assert row["low"] <= row["rate"] <= row["high"]


def test_related_models_are_more_similar_than_unrelated_ones_where_made_so(
    atlas: tuple[AtlasFrames, list[dict[str, Any]]],
) -> None:
    found, _ = atlas
    frames = _frames(analyse_sections(found, ["similarity", "findings"], OPTIONS))
    mean = frames["similarity"].set_index(["kind", "drawn", "measure"])["mean"]
    for measure in ("bag", "tfidf", "levenshtein"):
        assert mean["siblings", "pairs", measure] > mean["unrelated, both with relatives", "pairs", measure]
    assert frames["card_similarity"]["pairs"].max() > 0
    measures = frames["findings"].set_index("measure")
    related = next(name for name in measures.index if "metadata, parent and child minus unrelated" in name)
    assert measures.loc[related, "here"] == "agrees"
    assert analyse_sections(found, ["findings"], OPTIONS)["findings"][0].frame.equals(frames["findings"]), "seeded"


def test_families_and_regions(atlas: tuple[AtlasFrames, list[dict[str, Any]]]) -> None:
    found, rows = atlas
    frames = _frames(analyse_sections(found, ["families", "regions"], OPTIONS))
    sizes = frames["family_sizes"]
    assert int(sizes["models"].sum()) == len(rows) + 1, "and one name without a record"
    assert frames["families"]["models"].is_monotonic_decreasing
    merges = frames["merges"]
    assert merges[merges["what"] == "parents of a merge"][["number", "models"]].to_numpy().tolist() == [[2, 1]]
    shapes = frames["shapes"].set_index("shape")
    assert shapes.loc["merge", "number"] == 1
    hubs = frames["hubs"]
    kinds = hubs[["finetune", "adapter", "quantized", "merge", "duplicate"]].sum(axis=1)
    assert (kinds == hubs["children"]).all()


def test_bad_input(store: Store, tmp_path: Path) -> None:
    with pytest.raises(CompletionError):
        read_frames(store)
    write_rows(tmp_path / "one.jsonl", [model("a/b")])
    load(store, [str(tmp_path / "one.jsonl")], LoadOptions(tmp_path))
    alone = read_frames(store)
    with pytest.raises(UsageError, match="nonsense"):
        analyse_sections(alone, ["nonsense"])
    for tables in analyse_sections(alone, SECTIONS, OPTIONS).values():
        for table in tables:
            assert table.to_dict()["title"]
