"""Contents of each page as JSON values, shown by its template and returned as JSON."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

from atlas_db.analysis.compare import compare_models
from atlas_db.analysis.frames import CLAIM_EDGES
from atlas_db.cards.card_store import FOLDER, newest_cards
from atlas_db.catalogue.loader import catalogue
from atlas_db.claims.runs import list_runs
from atlas_db.columnar.graph import HUB_FIRST_DATE
from atlas_db.core.errors import InputError
from atlas_db.core.records import repository_path
from atlas_db.core.settings import Settings
from atlas_db.core.terms import LicenseState, RecordKind, Relation, Source
from atlas_db.dashboard import figures
from atlas_db.dashboard.aggregates import Bundle
from atlas_db.dashboard.audit_view import facet_counts, headline, license_matrix, trend_words, verdict_rows
from atlas_db.dashboard.family_tree import COLUMN, GROUPS, draw_family_trees
from atlas_db.dashboard.lineage_layout import MAX_COLUMN_BOXES, draw_lineage
from atlas_db.dashboard.model_facts import (
    code_for,
    files_of,
    formats_of,
    hub_links,
    named_children,
    path_to_root,
)
from atlas_db.fusion.evidence import evidence_fields
from atlas_db.licenses.audit import DISCLAIMER, AuditOptions, audit_models, license_words
from atlas_db.lineage.claim_evidence import read_lineage_claims_of
from atlas_db.lineage.newest_records import read_newest_records
from atlas_db.lineage.traversal import (
    ChildGroup,
    Lineage,
    LineageStep,
    child_groups,
    lineage,
    properties_of,
    steps_up,
    with_children,
)
from atlas_db.lineage.weights_record import Knowledge, describe_weights, knowledge_of, weights_words
from atlas_db.store.bolt import Store
from atlas_db.store.statements import Statement, live_claims, read_edges, read_nodes
from cypher.query_library import find_query, run_query
from ingest.normalise.license_ids import canonical_license_id

Page = dict[str, Any]
MAX_LISTED = 500
"""Rows of a list on a page, at most."""
MAX_FOUND = 20
MAX_AUTHORS = 3
"""Authors that a search suggests beside models, at most."""
_DESCENDANTS = Statement(find_query("descendant_count").text)
_DATES = Statement(
    "UNWIND $ids AS id MATCH (m:Model {id: id}) WHERE m.created_at > $unknown "
    "RETURN m.id AS id, m.created_at AS created_at"
)
_PAGE = 5000
"""Models of which one query reads the dates."""
_CLAIMS = live_claims(tuple(rel for rel, _ in CLAIM_EDGES.values()))
_ATTRIBUTE = {rel: attribute for attribute, (rel, _) in CLAIM_EDGES.items()}


def map_page(bundle: Bundle) -> Page:
    """Return the contents of the map page; the map itself is a file."""
    report = bundle.report
    families = [{"root": each["id"], "models": each["models"]} for each in report["map"]["labels"][:25]]
    return {
        **{name: report[name] for name in ("models", "names_alone", "weights_alone", "map", "made", "key")},
        "families": families,
    }


def search_page(store: Store, bundle: Bundle, text: str) -> Page:
    """Return the models whose id contains a text: licence, task and downloads, the place on the map, and authors.

    Those without a record have `known`, what is known of them, instead.
    """
    places = bundle.search(text, MAX_FOUND)
    names = [bundle.names[at] for at in places]
    known = bundle.without_record(names)
    props = {row["id"]: row["props"] for row in store.read(read_nodes("Model"), ids=names)}
    found = [
        {
            "id": name,
            "at": at,
            "known": _KNOWN_WORDS.get(known.get(name, "")),
            **{key: props.get(name, {}).get(key) for key in ("license", "pipeline_tag", "downloads", "audit_verdict")},
        }
        for name, at in zip(names, places, strict=True)
    ]
    authors = dict.fromkeys(name.partition("/")[0] for name in names if "/" in name and name not in known)
    part = " ".join(text.lower().split()).rstrip("/")
    return {"q": text, "found": found, "authors": [name for name in authors if part in name.lower()][:MAX_AUTHORS]}


_KNOWN_WORDS = {
    str(Knowledge.WEIGHTS): "known by its weights alone",
    str(Knowledge.NAME): "not in this atlas, only named",
}


class _StoreRelatives:
    """Relatives of one model, read from the store as far as they are shown."""

    def __init__(self, store: Store, model: str, wide: str) -> None:
        self._store, self._model, self._wide = store, model, wide
        self.above = steps_up(store, model, contradicted=True)
        self._parents: dict[str, list[LineageStep]] = defaultdict(list)
        for step in self.above:
            self._parents[step.child].append(step)
        self._children: dict[str, list[ChildGroup]] = {}

    def parents(self, model: str) -> list[LineageStep]:
        return self._parents[model]

    def children(self, model: str) -> list[ChildGroup]:
        if model not in self._children:
            limit = MAX_LISTED if self._wide and model == self._model else MAX_COLUMN_BOXES
            self._children[model] = child_groups(self._store, model, limit, contradicted=True)
        return self._children[model]

    def has_children(self, models: Sequence[str]) -> set[str]:
        return with_children(self._store, models)


def model_page(
    store: Store, identifier: str, opened: Sequence[str] = (), wide: str = "", bundle: Bundle | None = None
) -> Page:
    """Return all data of a model, with the picture of its lineage.

    Args:
        store: The store.
        identifier: Model id.
        opened: Ids in the picture whose further relatives are shown, too.
        wide: Relation of which up to `MAX_LISTED` children are shown.
        bundle: The bundle, which knows the place of each model on the map.

    Raises:
        ModelNotFoundError: There is no such model.
    """
    props = properties_of(store, identifier)
    known = knowledge_of(props)
    report = audit_models(store, [identifier], AuditOptions()) if known is not Knowledge.NAME else None
    weights = describe_weights(store, props) if known is Knowledge.WEIGHTS else None
    claims = store.read(_CLAIMS, id=identifier)
    for row in claims:
        row["attribute"] = _ATTRIBUTE[row.pop("rel")]
        if row["attribute"] == "datasets":
            row["value"] = repository_path(row["value"], RecordKind.DATASET)
        row["evidence"] = evidence_fields(row["evidence"])
    relatives = _StoreRelatives(store, identifier, wide)
    below = relatives.children(identifier)
    return {
        "id": identifier,
        "known": str(known),
        "newest": read_newest_records(store).words(),
        "place": bundle.place_of(identifier) if bundle else None,
        "weights": weights and {**weights, "words": weights_words(weights)},
        "license_state": str(_license_state(props)),
        "properties": {name: props[name] for name in sorted(props) if name not in _HIDDEN},
        "counts": {
            "parents": len(relatives.parents(identifier)),
            "ancestors": len({step.parent for step in relatives.above}),
            "children": sum(fan.count for fan in below),
            "descendants": store.read(_DESCENDANTS, model=identifier)[0]["descendants"],
            "children_by_relation": {fan.relation: fan.count for fan in below},
        },
        "path": [_step(step) for step in path_to_root(identifier, relatives.parents)],
        "came_of_it": named_children(below),
        "formats": formats_of(props),
        "files": files_of(props),
        "hub": hub_links(identifier, props.get("author")) if known is Knowledge.RECORD else {},
        "code": code_for(identifier),
        "opened": list(opened),
        "picture": draw_lineage({"id": identifier, **props}, relatives, opened, wide).to_dict(),
        "parents": [_step(step) for step in relatives.parents(identifier)],
        "children": [_step(step) for fan in below if wide in ("", fan.relation) for step in fan.steps],
        "declared": [row for row in claims if row["source"] != Source.PREDICTED],
        "predicted": [row for row in claims if row["source"] == Source.PREDICTED],
        "lineage_claims": read_lineage_claims_of(store, [identifier]),
        "verdict": next(iter(report.verdicts), None) if report else None,
        "findings": [_sourced(row) for row in report.findings] if report else [],
        "obligations": [_sourced(row) for row in report.obligations] if report else [],
        "disclaimer": DISCLAIMER,
    }


_HIDDEN = frozenset({"id", "labels", "record_digest", "declared_parents", "snapshots", "carried"})


def _step(step: LineageStep) -> dict[str, Any]:
    return {name: getattr(step, name) for name in step.__slots__}


def _sourced(finding: dict[str, Any]) -> dict[str, Any]:
    """Return a finding with the source of the licence text; its `source` is that of the rule."""
    license_entry = catalogue().get(canonical_license_id(finding["license"] or ""))
    source = None if license_entry is None else license_entry.source
    return {**finding, "license_text": source, "license_words": license_words(finding)}


def _license_state(props: Mapping[str, Any]) -> LicenseState:
    """Return whether a model or dataset states a licence, states none, or has no record."""
    if props.get("placeholder"):
        return LicenseState.NOT_IN_ATLAS
    return LicenseState.STATED if props.get("license") else LicenseState.STATES_NONE


_TRAINED = ("source", "confidence", "downloads", "license")


def dataset_page(store: Store, identifier: str) -> Page:
    """Return what is known about a dataset, and the most downloaded models trained on it.

    Raises:
        InputError: No model names such a dataset, and there is no record of it.
    """
    rows = store.read(read_nodes("Dataset"), ids=[identifier])
    path = repository_path(identifier, RecordKind.DATASET)
    newest = read_newest_records(store).words(RecordKind.DATASET)
    if not rows:
        raise InputError(f"there is no {path} in this atlas ({newest})", hint="Fetch or load its record")
    props = rows[0]["props"]
    trained = run_query(store, "trained_on", {"dataset": identifier, "limit": str(MAX_LISTED)})[1]
    licenses = store.read(read_edges("HAS_LICENSE", "Dataset", "License"), ids=[identifier])
    return {
        "id": path,
        "known": str(knowledge_of(props)),
        "newest": newest,
        "license_state": str(_license_state(props)),
        "licenses": [row["b"] for row in licenses if row["props"].get("valid_to") is None],
        "properties": {name: props[name] for name in sorted(props) if name not in _HIDDEN},
        "models": [{"model": row["id"], **{name: row[name] for name in _TRAINED}} for row in trained],
    }


def family_page(store: Store, bundle: Bundle, families: Sequence[str]) -> Page:
    """Return one or two families as trees on one scale; the largest where none is named.

    Raises:
        ModelNotFoundError: There is no such model.
    """
    largest = [row["root"] for row in bundle.table("families")["rows"]]
    chosen = list(dict.fromkeys(name for name in families if name))[:2] or largest[:1]
    found = [lineage(store, name, depth=0) for name in chosen]
    trees = draw_family_trees(found, _dates(store, found))
    return {
        "families": largest,
        "groups": GROUPS,
        "column": COLUMN,
        "relations": [*map(str, Relation)],
        "trees": [
            {**tree.to_dict(), "above": above} for tree, above in zip(trees, map(_roots_above, found), strict=True)
        ],
        "figures": {
            tree.root: figures.lines(
                tree.months, "month", list(tree.relations), title="new models", across="month of creation"
            )
            for tree in trees
            if tree.months
        },
    }


def _roots_above(found: Lineage) -> list[str]:
    """Return the ancestors of a model that have no parent themselves."""
    children = {step.child for step in found.ancestors}
    return sorted({step.parent for step in found.ancestors} - children)


def _dates(store: Store, found: Sequence[Lineage]) -> dict[str, str]:
    """Return the dates of creation of the descendants, where they are known."""
    models = sorted({step.child for each in found for step in each.descendants})
    pages = (
        store.read(_DATES, ids=models[at : at + _PAGE], unknown=HUB_FIRST_DATE) for at in range(0, len(models), _PAGE)
    )
    return {row["id"]: row["created_at"] for page in pages for row in page}


def compare_page(store: Store, settings: Settings, left: str, right: str) -> Page:
    """Return the comparison of two models, by traits and by characters.

    Raises:
        ModelNotFoundError: One of them does not exist.
    """
    return compare_models(store, left, right, dict(newest_cards(settings.home / FOLDER, [left, right]))).to_dict()


_ORDER = ("permissive", "copyleft", "use_restricted", "vendor", "non_commercial", "unclear", "none", "not_in_atlas")


def ecosystem_page(bundle: Bundle) -> Page:
    """Return the tables of the analysis, and their figures."""
    rows = {name: table["rows"] for name, table in bundle.report["tables"].items()}
    overall = [row for row in rows["mutation_rates"] if row["relation"] == "all"]
    similarities = [
        {**row, "label": f"{row['kind']}, over {row['drawn']}"}
        for row in rows["similarity"]
        if row["measure"] == "tfidf"
    ]
    known = ("declared", "inferred", "predicted", "unknown")
    drawn = {
        "growth": figures.lines(
            rows["growth"], "month", ("models", "with_parent", "with_license", "with_task"), title="new models",
            across="month of creation",
        ),
        "coverage": figures.stacked(rows["coverage"], "attribute", known, title="models"),
        "edges": figures.bars(
            [{**row, "label": f"{row['relation']}, {row['status']}"} for row in rows["edges"]], "label", "edges",
            title="edges",
        ),
        "generations": figures.columns(
            rows["generations"], "generation", "models", title="models", across="steps from the root"
        ),
        "family_sizes": figures.bars(
            [{**row, "label": f"{row['from']:,} to {row['to']:,}"} for row in rows["family_sizes"]],
            "label", "families", title="families", log=True,
        ),
        "mutation_rates": figures.intervals(overall, "trait", "rate", title="share that differs"),
        "similarity": figures.intervals(similarities, "label", "mean", title="TF-IDF cosine"),
        "license_transitions": figures.heat(
            rows["license_transitions"], "to", "from", "share_of_from", _ORDER, title="share of parent's"
        ),
        "traits_by_generation": figures.lines(
            rows["traits_by_generation"], "generation",
            ("declare_license", "permissive", "english_alone", "several_languages", "machine_written_card"),
            title="share of models", across="generation", share=True,
        ),
    }  # fmt: skip
    for name, label, value in _TOPS:
        drawn[name] = figures.bars(rows[name][:10], label, value, title=value)
    return {"made": bundle.report["made"], "tables": bundle.report["tables"], "figures": drawn}


_TOPS = (
    ("top_licenses", "license", "models"),
    ("top_tasks", "pipeline_tag", "models"),
    ("top_libraries", "library_name", "models"),
    ("top_languages", "language", "models"),
    ("top_parents", "model", "children"),
    ("top_datasets", "datasets", "models"),
    ("top_papers", "paper", "models"),
    ("task_regions", "task", "models"),
    ("base_regions", "base", "models"),
)
_UNKNOWN = ("unknown", "unknown_by_state", "unknown_by_cause", "not_in_atlas")
FILTERS = ("verdict", "finding", "license", "child_license", "model")


def audit_page(bundle: Bundle, wanted: dict[str, str], page: int = 1) -> Page:
    """Return the newest audit with the findings that match the filters.

    Args:
        bundle: The bundle.
        wanted: Filters by name. `model` matches a part of the id of the model or the ancestor; the others are exact.
        page: Page of findings, from 1.
    """
    report = bundle.report["audit"]
    chosen = matching_findings(bundle, wanted)
    start = (max(page, 1) - 1) * MAX_LISTED
    counts = (report["run"] or {}).get("counts", {})
    unknown = {
        name: counts.get(name, {}) for name in ("unknown", "unknown_by_state", "unknown_by_cause", "not_in_atlas")
    }
    return {
        **report,
        "families": [{**row, "trend_words": trend_words(row["trend"])} for row in report["families"]],
        **unknown,
        "headline": headline(report["verdicts"], unknown["unknown_by_state"].get(LicenseState.NOT_IN_ATLAS, 0)),
        "meanings": verdict_rows(report["verdicts"]),
        "matrix": license_matrix(bundle.findings),
        "filters": wanted,
        "choices": {
            name: facet_counts(matching_findings(bundle, {**wanted, name: ""}), [name])[name] for name in FILTERS[:-1]
        },
        "number": len(chosen),
        "page": max(page, 1),
        "pages": max(1, -(-len(chosen) // MAX_LISTED)),
        "findings": chosen[start : start + MAX_LISTED],
        "disclaimer": DISCLAIMER,
    }


def matching_findings(bundle: Bundle, wanted: dict[str, str]) -> list[dict[str, Any]]:
    """Return the findings of the newest audit that match all filters."""
    exact = [(name, value) for name, value in wanted.items() if value and name != "model"]
    part = wanted.get("model", "").lower()
    return [
        row
        for row in bundle.findings
        if all(str(row[name]) == value for name, value in exact)
        and (part in row["model"].lower() or part in row["ancestor"].lower())
    ]


def quality_page(bundle: Bundle) -> Page:
    """Return the evaluation of completion on unseen models, and inferred, contradicted and predicted edges."""
    scores: list[dict[str, Any]] = bundle.report["scores"]
    groups: dict[str, list[dict[str, Any]]] = {}
    for each in scores:
        groups.setdefault(f"{each['attribute']}, {each['split']} split", []).append(each)
    coverage = bundle.table("coverage")["rows"]
    known = ("declared", "inferred", "predicted", "unknown")
    drawn = {"coverage": figures.stacked(coverage, "attribute", known, title="models")}
    for name, group in groups.items():
        if any(each["reliability"] for each in group):
            drawn[name] = figures.reliability(group)
        for each in group:
            if any("accuracy" in row for row in each["rows"]):
                drawn[f"{name}, {each['view']}"] = figures.coverage_curves(each)
    return {
        "coverage": coverage,
        "evaluations": groups,
        "edges": bundle.table("edges"),
        "lineage": bundle.report["lineage"],
        "figures": drawn,
    }


def runs_page(store: Store) -> Page:
    """Return loads, charts, completions and audits, the newest first."""
    return {"runs": list_runs(store)}
