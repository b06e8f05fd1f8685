"""Records of the Hub to May 2026: parents by place, counted a second way with plain Python."""

from __future__ import annotations

import json
import re
from collections import Counter, defaultdict
from pathlib import Path
from typing import NamedTuple

import pyarrow.parquet as pq
import pytest

from atlas_db.claims.declared_parents import ParentDeclaration, parent_declarations
from atlas_db.claims.hub_renames import find_renames
from atlas_db.claims.model_names import MentionIndex, NameEvidence
from atlas_db.claims.resolve import fuse_claims, resolve_declarations
from atlas_db.core.records import LineageClaim, LineageEdge
from atlas_db.core.terms import METHODS, RecordPart, Relation, Resolution
from atlas_db.fusion.fuse import is_active
from ingest.hub.decode import decode_record
from ingest.hub.snapshot import SourceFile, newest_date, read_records
from ingest.load.record_merge import merge_node

pytestmark = [pytest.mark.real_data, pytest.mark.slow]


TAGS_AMONG_PARENTS = {"merge", "mergekit", "lazymergekit"}
"""What one card lists below `base_model` by mistake."""


class Loaded(NamedTuple):
    """What the pipeline makes of the file, without a store."""

    rows: int
    as_of: str
    models: dict[str, NameEvidence]
    declarations: list[ParentDeclaration]
    claims: list[LineageClaim]
    edges: list[LineageEdge]


@pytest.fixture(scope="module")
def path(data: Path) -> Path:
    return data / "hub-2026" / "records.parquet"


@pytest.fixture(scope="module")
def ours(path: Path) -> Loaded:
    source = SourceFile(path, path.name)
    as_of, rows = newest_date(source)
    models: dict[str, NameEvidence] = {}
    declarations: list[ParentDeclaration] = []
    for raw in read_records(source):
        record = decode_record(raw.text)
        node = merge_node(None, record, as_of)
        models[record.id] = NameEvidence(node.get("downloads") or 0, node.get("created_at"), as_of)
        declarations += parent_declarations(node)
    claims = resolve_declarations(models, declarations)
    return Loaded(rows, as_of, models, declarations, claims, list(fuse_claims(claims)))


@pytest.fixture(scope="module")
def raw(path: Path) -> dict[str, tuple[set[str], set[str], str]]:
    """Parents of each model by card and by tags, and the relation that tags state: nothing of ours but the rows."""
    found = {}
    for row in pq.read_table(path, columns=["id", "tags", "cardData"]).to_pylist():
        value = (json.loads(row["cardData"]) if row["cardData"] else {}).get("base_model")
        card = {name for name in (value if isinstance(value, list) else [value]) if isinstance(name, str)}
        card -= TAGS_AMONG_PARENTS
        named = [tag.removeprefix("base_model:") for tag in row["tags"] if tag.startswith("base_model:")]
        typed = [name.partition(":")[::2] for name in named if ":" in name]
        found[row["id"]] = ({name.strip() for name in card}, {name for _, name in typed}, typed[0][0] if typed else "")
    return found


def test_rows_and_parents_by_place(ours: Loaded, raw: dict[str, tuple[set[str], set[str], str]]) -> None:
    assert ours.rows == len(ours.models) == len(raw) == 1_952
    assert ours.as_of.startswith("2026-05")
    by_part = Counter(each.part for each in ours.declarations)
    assert by_part[RecordPart.TAGS] == by_part[RecordPart.BASE_MODELS] == sum(len(tags) for _, tags, _ in raw.values())
    assert by_part[RecordPart.CARD] == sum(len(card) for card, _, _ in raw.values())
    assert by_part == {RecordPart.TAGS: 2_143, RecordPart.BASE_MODELS: 2_143, RecordPart.CARD: 2_227}
    differ = sum({n.lower() for n in card} != {n.lower() for n in tags} for card, tags, _ in raw.values())
    assert differ == 135


def test_parents_that_cards_name_are_kept(ours: Loaded) -> None:
    card = [item for item in ours.claims if item.method == METHODS[RecordPart.CARD]]
    kept = sum(is_active(item) for item in card)
    assert Counter(item.resolution for item in card if not is_active(item)) == {Resolution.SELF_LOOP: 2}
    assert kept / len(card) > 0.99
    pairs = {(edge.child, edge.parent) for edge in ours.edges}
    assert {(item.child, item.parent) for item in card if is_active(item)} <= pairs


def test_a_merge_of_which_the_hub_knows_one_parent_stays_a_merge(
    ours: Loaded, raw: dict[str, tuple[set[str], set[str], str]]
) -> None:
    left = {
        model for model, (card, tags, typed) in raw.items() if len(card) > 1 and len(tags) == 1 and typed == "finetune"
    }
    assert len(left) == 19
    relations = {edge.relation for edge in ours.edges if edge.child in left}
    assert relations == {Relation.MERGE}


def test_dropped_and_renamed_parents(ours: Loaded, raw: dict[str, tuple[set[str], set[str], str]]) -> None:
    card = [item for item in ours.claims if item.method == METHODS[RecordPart.CARD]]
    found = Counter(item.resolution for item in card)
    lower = {model: ({n.lower() for n in card}, {n.lower() for n in tags}) for model, (card, tags, _) in raw.items()}
    unlisted = sum(len(names - listed) for names, listed in lower.values())
    paired = sum(min(len(names - listed), len(listed - names)) for names, listed in lower.values())
    # What the list lacks was renamed, is gone, or was known under its name of today by another model's renaming.
    assert found[Resolution.GONE] <= unlisted
    assert found[Resolution.RENAMED] >= paired - 3
    assert (found[Resolution.GONE], found[Resolution.RENAMED]) == (74, 112)


def test_ids_of_today(ours: Loaded, path: Path) -> None:
    """The id that the Hub answers to, learned from models of other owners than the one that is asked about."""
    today: dict[str, str | None] = json.loads((path.parent / "resolutions.json").read_text())
    by_owner: dict[str, MentionIndex] = {}
    found: Counter[str] = Counter()
    names = {each.name for each in ours.declarations}
    for each in ours.declarations:
        if each.part is not RecordPart.CARD or each.name not in today:
            continue
        owner = each.child.partition("/")[0]
        if owner not in by_owner:
            others = [other for other in ours.declarations if other.child.partition("/")[0] != owner]
            by_owner[owner] = MentionIndex(ours.models, names, find_renames(others))
        resolved = by_owner[owner].resolve(each.name, each.child, ours.models[each.child].created_at)
        truth = today[each.name]
        if truth is None:
            found["gone, and kept as written" if resolved.parent == each.name else "gone, and another id"] += 1
        elif resolved.parent == truth:
            found["right"] += 1
            found["right, and renamed"] += truth != each.name
        else:
            found["as written" if resolved.parent == each.name else "wrong"] += 1
    assert found == {"right": 750, "right, and renamed": 34, "as written": 6, "gone, and kept as written": 21}


def test_typed_relations_against_those_guessed_two_years_before(ours: Loaded, data: Path) -> None:
    """Models in both lists: the relation guessed from the record of July 2024, and the one that the Hub types today."""
    typed: dict[tuple[str, str], Relation] = {
        (each.child, each.name.lower()): each.relation
        for each in ours.declarations
        if each.part is RecordPart.TAGS and each.by == "typed"
    }
    children = {child for child, _ in typed}
    wanted = re.compile(rb'"id": ?"([^"]+)"')
    outcome: dict[str, Counter[bool]] = defaultdict(Counter)
    for line in read_records(SourceFile(data / "hub-2024-07" / "models.jsonl.zst", "models.jsonl.zst")):
        match = wanted.search(line.text)
        if match is None or match[1].decode() not in children or b"base_model:" not in line.text:
            continue
        record = decode_record(line.text)
        for claim in record.parents:
            relation = typed.get((record.id, claim.name.lower()))
            if relation is not None:
                outcome[relation.value][claim.relation is relation] += 1
    found = {relation: (counts[True], counts.total()) for relation, counts in outcome.items()}
    assert found == GUESSED_RIGHT


GUESSED_RIGHT = {"adapter": (4, 4), "finetune": (46, 51), "merge": (70, 70), "quantized": (1, 1)}
"""Of each typed relation: guesses that were right, and all."""
