"""Statistics, map and names for the dashboard, computed once after each run and kept on disk."""

from __future__ import annotations

import hashlib
import json
import re
import shutil
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import islice
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from atlas_db.analysis.frames import AtlasFrames, months_of, read_frames
from atlas_db.analysis.sections import SECTIONS, AnalysisOptions, analyse_sections
from atlas_db.claims.runs import list_runs, utc_now
from atlas_db.core.arrays import Integers
from atlas_db.core.locks import exclusive_lock
from atlas_db.core.records import repository_path
from atlas_db.core.schema import SCHEMA
from atlas_db.core.terms import Progress, RecordKind, Status
from atlas_db.dashboard.audit_view import violation_trend
from atlas_db.dashboard.map.model_map import ModelMap, build_map, generations, read_cell, read_records
from atlas_db.lineage.weights_record import Knowledge, knowledge_of
from atlas_db.store.bolt import Store
from atlas_db.store.connect import ensure_schema
from atlas_db.store.statements import Statement, all_edges
from gnn.evaluation.evaluation_report import EVALUATIONS, load_report

VERSION = 8
WAIT_SECONDS = 120.0
"""Seconds for which the files of another process, about the same store, are awaited."""
FOLDER = "dashboard"
TOP = 25
LISTED_EDGES = 200
"""Edges in a list of edges, at most."""
GAP = "[-_./ ]?"
"""Pattern of what may stand between two words of a search, in an id."""
MAX_MATCHES = 50_000
"""Matches of a search that are ranked, at most."""
_EDGE = ["child", "parent", "relation", "confidence"]
_FINDING = ("finding", "verdict", "rule", "clause", "profile", "hops", "confidence")
_DATASET_LICENSES = Statement("UNWIND $ids AS id MATCH (d:Dataset {id: id}) RETURN d.id AS id, d.license AS license")
PAGE = 5000


@dataclass(frozen=True)
class Bundle:
    """Aggregates of a store at one time.

    Attributes:
        folder: Folder with report.json, findings.json, known.json, names.json, and the files of the map.
        report: All aggregates but the findings, as JSON values.
    """

    folder: Path
    report: dict[str, Any]

    @cached_property
    def names(self) -> list[str]:
        """Model ids in map order."""
        return msgspec.json.decode((self.folder / "names.json").read_bytes(), type=list[str])

    @cached_property
    def findings(self) -> list[dict[str, Any]]:
        """Findings of the newest audit, the worst first."""
        rows: list[dict[str, Any]] = msgspec.json.decode((self.folder / "findings.json").read_bytes())
        return rows

    @cached_property
    def _known(self) -> dict[str, str]:
        """What is known of the models without a record, by id."""
        found: dict[str, str] = msgspec.json.decode((self.folder / "known.json").read_bytes())
        return found

    def prepare(self) -> None:
        """Read what searches and places need, so that no reader waits for it."""
        _ = self._index, self._by_hash, self._heads, self._known

    def without_record(self, models: Sequence[str]) -> dict[str, str]:
        """Return those of some models that have no record, with what is known of them: `weights` or `name`."""
        return {name: self._known[name] for name in models if name in self._known}

    @cached_property
    def _index(self) -> tuple[str, Integers, Integers]:
        """All names in lower case joined, the start of each and of one more, and the logarithm of its downloads."""
        lowered = [name.lower() for name in self.names]
        starts = np.cumsum([0, *(len(name) + 1 for name in lowered)])
        downloads = np.frombuffer((self.folder / "downloads.bin").read_bytes(), np.uint8)
        return "\n".join(lowered), starts, downloads.astype(np.int64)

    def search(self, text: str, limit: int) -> list[int]:
        """Return the places in map order of the ids that contain a text, in any case.

        A space stands for any sign between words, or for none. An exact name comes first, then the most downloaded.
        """
        words = text.lower().split()
        if not words:
            return []
        needle = " ".join(words)
        joined, starts, downloads = self._index
        hits = [match.start() for match in islice(re.finditer(GAP.join(map(re.escape, words)), joined), MAX_MATCHES)]
        places = np.unique(np.searchsorted(starts, hits, side="right") - 1)
        lengths = starts[places + 1] - starts[places] - 1
        rank = downloads[places] * (lengths.max(initial=0) + 1) - lengths
        if len(places) > limit:
            # Only what ranks as high as the last one shown is put in order by name.
            high = rank >= np.partition(rank, -limit)[-limit]
            places, lengths, rank = (values[high | (lengths == len(needle))] for values in (places, lengths, rank))
        ranked = sorted(
            zip((-rank).tolist(), places.tolist(), strict=True),
            key=lambda each: (self.names[each[1]].lower() != needle, each[0], self.names[each[1]]),
        )
        return [at for _, at in ranked[:limit]]

    @cached_property
    def _by_hash(self) -> tuple[Integers, Integers]:
        """Hashes of all names in ascending order, those of this process, and the places in map order."""
        hashes = np.fromiter(map(hash, self.names), np.int64, len(self.names))
        order = np.argsort(hashes, kind="stable")
        return hashes[order], order

    def place_of(self, model: str) -> dict[str, Any] | None:
        """Return where a model lies on the map; None where it is not on it yet.

        Returns:
            Name and size of the region in cells, column and row of the model there, root and models of its family.
        """
        hashes, order = self._by_hash
        span = np.searchsorted(hashes, hash(model), "left"), np.searchsorted(hashes, hash(model), "right")
        at = next((at for at in order[slice(*span)].tolist() if self.names[at] == model), None)
        if at is None:
            return None
        region = next(each for each in self.report["map"]["regions"] if at < each["first"] + each["models"])
        column, row = read_cell(self.folder, at)
        head = int(np.searchsorted(self._heads, at, side="right")) - 1
        return {
            "region": region["name"],
            "width": region["width"],
            "height": region["height"],
            "column": column,
            "row": row,
            "root": self.names[self._heads[head]],
            "models": int(self._heads[head + 1] - self._heads[head]),
        }

    @cached_property
    def _heads(self) -> Integers:
        """Places in map order of the first model of each family, and of each single model, with the end."""
        depth = generations(read_records(self.folder))
        return np.append(np.flatnonzero(depth == 0), len(depth))

    def families_of(self, author: str) -> tuple[list[dict[str, Any]], int]:
        """Return the families that an author's models with a record are in, and how many are in none.

        Args:
            author: Owner part of the ids.

        Returns:
            The root, the author's models and all models of each family, most of the author's first; models without
            relatives.
        """
        joined, starts, _ = self._index
        hits = [match.start() for match in re.finditer(f"^{re.escape(author.lower())}/", joined, re.MULTILINE)]
        places = np.searchsorted(starts, hits)
        own = [at for at in places.tolist() if self.names[at].startswith(f"{author}/")]
        known = self.without_record([self.names[at] for at in own])
        heads = np.searchsorted(self._heads, [at for at in own if self.names[at] not in known], side="right") - 1
        sizes = np.diff(self._heads)
        counts = Counter(heads.tolist())
        families: list[dict[str, Any]] = [
            {"root": self.names[self._heads[head]], "models": number, "family": int(sizes[head])}
            for head, number in counts.items()
            if sizes[head] > 1
        ]
        families.sort(key=lambda row: (-row["models"], row["root"]))
        return families, sum(number for head, number in counts.items() if sizes[head] == 1)

    def most_downloaded(self, number: int) -> list[str]:
        """Return the ids of the most downloaded models and of the roots of the largest families."""
        downloads = np.frombuffer((self.folder / "downloads.bin").read_bytes(), np.uint8)
        best = np.argsort(-downloads.astype(np.int64), kind="stable")[:number]
        roots = [row["root"] for row in self.table("families")["rows"]] if number else []
        return list(dict.fromkeys([*(self.names[at] for at in best), *roots]))

    def table(self, name: str) -> dict[str, Any]:
        """Return a table of the analysis.

        Raises:
            KeyError: There is no table of that name.
        """
        found: dict[str, Any] = self.report["tables"][name]
        return found


def bundle_key(store: Store) -> str:
    """Return the digest of a bundle's inputs: complete runs of the store, and versions of schema and dashboard."""
    runs = sorted(run["id"] for run in list_runs(store) if run["complete"])
    text = json.dumps([ensure_schema(store), SCHEMA.version, VERSION, runs])
    return hashlib.blake2b(text.encode(), digest_size=8).hexdigest()


def load_bundle(store: Store, home: Path) -> Bundle | None:
    """Return the newest bundle of a store, even if it is older than the newest run; None where there is none."""
    folder = home / FOLDER / ensure_schema(store)
    try:
        report = msgspec.json.decode((folder / "report.json").read_bytes())
    except FileNotFoundError:
        return None
    return Bundle(folder, report) if report.get("version") == VERSION else None


def fresh_bundle(store: Store, home: Path, progress: Progress = lambda *_: None) -> Bundle:
    """Return a bundle that includes all runs, built now where it is missing.

    Raises:
        EmptyStoreError: The store holds no models.
    """
    found = load_bundle(store, home)
    return (
        found if found is not None and found.report["key"] == bundle_key(store) else build_bundle(store, home, progress)
    )


def build_bundle(store: Store, home: Path, progress: Progress = lambda *_: None) -> Bundle:
    """Build a bundle and keep it; an earlier one is replaced when the new one is complete.

    Args:
        store: The store.
        home: Home folder.
        progress: Called with stage, done and total.

    Raises:
        EmptyStoreError: The store holds no models.
    """
    key = bundle_key(store)
    atlas = read_frames(store, home, progress)
    made = analyse_sections(atlas, SECTIONS, AnalysisOptions(top=TOP), progress)
    progress("drawing the map", 0, 0)
    model_map = build_map(atlas)
    progress("listing findings", 0, 0)
    findings = _findings(store, atlas)
    runs = list_runs(store)
    known = _without_record(atlas)
    weights_alone = sum(each == Knowledge.WEIGHTS for each in known.values())
    report = {
        "version": VERSION,
        "key": key,
        "made": utc_now(),
        "models": int(atlas.recorded.sum()),
        "names_alone": len(known) - weights_alone,
        "weights_alone": weights_alone,
        "edges": len(atlas.edges),
        "sections": {section: [table.name for table in tables] for section, tables in made.items()},
        "tables": {table.name: table.to_dict() for tables in made.values() for table in tables},
        "map": model_map.describe(),
        "audit": _audit(atlas, findings, runs),
        "lineage": _lineage(atlas),
        "scores": msgspec.to_builtins(load_report(home / EVALUATIONS / ensure_schema(store))),
        "runs": runs,
    }
    folder = home / FOLDER / ensure_schema(store)
    body = msgspec.json.encode(report)
    folder.parent.mkdir(parents=True, exist_ok=True)
    with exclusive_lock(folder.with_name(f"{folder.name}.lock"), f"another process writes {folder}", WAIT_SECONDS):
        _write(folder, body, {"findings": findings, "known": known, "names": model_map.names}, model_map)
    return Bundle(folder, msgspec.json.decode(body))


def _write(folder: Path, report: bytes, further: Mapping[str, Any], model_map: ModelMap) -> None:
    fresh = folder.with_name(folder.name + ".part")
    shutil.rmtree(fresh, ignore_errors=True)
    fresh.mkdir(parents=True)
    for name, values in further.items():
        (fresh / f"{name}.json").write_bytes(msgspec.json.encode(values))
    model_map.write(fresh)
    (fresh / "report.json").write_bytes(report)
    old = folder.with_name(folder.name + ".old")
    shutil.rmtree(old, ignore_errors=True)
    if folder.exists():
        folder.rename(old)
    fresh.rename(folder)
    shutil.rmtree(old, ignore_errors=True)


def _findings(store: Store, atlas: AtlasFrames) -> list[dict[str, Any]]:
    models: dict[str, str | None] = dict(zip(atlas.graph.ids, atlas.first("license"), strict=True))
    rows: list[dict[str, Any]] = []
    for target in ("Model", "Dataset"):
        found = [
            {"model": model, "ancestor": ancestor, **dict(zip(_FINDING, values, strict=True))}
            for model, ancestor, *values in store.fetch_all(all_edges("CONFLICTS_WITH", "Model", target, _FINDING))
        ]
        above = models if target == "Model" else _dataset_licenses(store, sorted({row["ancestor"] for row in found}))
        kind = RecordKind.MODEL if target == "Model" else RecordKind.DATASET
        rows += [
            {
                **row,
                "ancestor": repository_path(row["ancestor"], kind),
                "license": above[row["ancestor"]],
                "child_license": models[row["model"]],
            }
            for row in found
        ]
    rows.sort(key=lambda row: (row["verdict"] != "violation", -row["confidence"], row["model"], row["ancestor"]))
    return rows


def _without_record(atlas: AtlasFrames) -> dict[str, str]:
    """Return what is known of each model without a record."""
    hashes = atlas.graph.extra_properties["weights_hash"]
    return {
        atlas.graph.ids[row]: str(knowledge_of({"placeholder": True, "weights_hash": hashes[row]}))
        for row in np.flatnonzero(atlas.graph.placeholder).tolist()
    }


def _dataset_licenses(store: Store, datasets: list[str]) -> dict[str, str | None]:
    pages = (store.read(_DATASET_LICENSES, ids=datasets[at : at + PAGE]) for at in range(0, len(datasets), PAGE))
    return {row["id"]: row["license"] for page in pages for row in page}


def _audit(atlas: AtlasFrames, findings: Sequence[dict[str, Any]], runs: Sequence[dict[str, Any]]) -> dict[str, Any]:
    verdict_counts = Counter(
        verdict or "not audited"
        for verdict, recorded, charted in zip(
            atlas.graph.extra_properties["audit_verdict"],
            atlas.recorded,
            atlas.graph.extra_properties["weights_hash"],
            strict=True,
        )
        if recorded or charted
    )
    place = {name: row for row, name in enumerate(atlas.graph.ids)}
    root = atlas.forest.root
    families: dict[int, Counter[str]] = {}
    for row in findings:
        if row["verdict"] == "violation":
            families.setdefault(int(root[place[row["model"]]]), Counter())[row["model"]] += 1
    worst = sorted(families.items(), key=lambda pair: (-len(pair[1]), pair[0]))[:TOP]
    audits = [run for run in runs if run["kind"] == "audit" and run["complete"]]
    return {
        "verdicts": [{"verdict": name, "models": number} for name, number in verdict_counts.most_common()],
        "kinds": _ranked(findings, ("finding", "verdict")),
        "pairs": _ranked(findings, ("license", "child_license", "verdict"))[:TOP],
        "families": [
            {
                "root": atlas.graph.ids[head],
                "models": int(atlas.forest.size[head]),
                "in_violation": len(models),
                "share": len(models) / int(atlas.forest.size[head]),
                "trend": _trend(atlas, head, models),
            }
            for head, models in worst
        ],
        "run": audits[0] if audits else None,
    }


def _trend(atlas: AtlasFrames, head: int, broken: Mapping[str, int]) -> list[dict[str, Any]]:
    members = np.flatnonzero(atlas.forest.root == head)
    months = months_of(atlas.graph.created[members])
    ids = [atlas.graph.ids[row] for row in members.tolist()]
    return violation_trend(
        np.where(np.isnat(months), "", months.astype(str)).tolist(), [name in broken for name in ids]
    )


def _ranked(rows: Sequence[dict[str, Any]], names: tuple[str, ...]) -> list[dict[str, Any]]:
    counted = Counter(tuple(row[name] or "none" for name in names) for row in rows)
    best = sorted(counted.items(), key=lambda pair: (-pair[1], pair[0]))
    return [{**dict(zip(names, values, strict=True)), "findings": number} for values, number in best]


def _lineage(atlas: AtlasFrames) -> dict[str, Any]:
    """Return inferred, contradicted and predicted edges, those of the most downloaded children first."""
    edges, ids = atlas.edges, atlas.graph.ids
    found = {}
    for status in (Status.UNDECLARED, Status.CONTRADICTED, Status.PREDICTED):
        rows = edges[edges["status"] == status.value]
        best = np.argsort(-atlas.graph.downloads[rows["child"]], kind="stable")[:LISTED_EDGES]
        found[status.value] = {
            "edges": len(rows),
            "listed": [
                {"child": ids[child], "parent": ids[parent], "relation": relation, "confidence": confidence}
                for child, parent, relation, confidence in rows.iloc[best][_EDGE].itertuples(index=False)
            ],
        }
    return found
