"""An open atlas: queries on it, analyses of it, and changes to it, from Python."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from html import escape
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from atlas_db.api.compliance_access import ComplianceAccess
from atlas_db.api.graph_access import GraphAccess
from atlas_db.api.results import (
    ChartWriteResult,
    CompletionResult,
    LineageResult,
    ModelRecord,
    ResultTable,
    StoreSummary,
)
from atlas_db.cards.card_store import FOLDER, newest_cards
from atlas_db.claims.repository_ids import requested_id
from atlas_db.claims.runs import list_runs, rollback
from atlas_db.core.errors import UsageError
from atlas_db.core.extras import require_extra
from atlas_db.core.settings import load_settings
from atlas_db.lineage.traversal import lineage, properties_of
from atlas_db.provenance.answer_models import answer_models
from atlas_db.provenance.origin_answer import OriginAnswer
from atlas_db.snapshot.opening import open_atlas
from atlas_db.store.connect import credentials, ensure_schema, local_place
from atlas_db.store.statements import count_nodes
from cypher import query_library
from ingest.load.load_records import load
from ingest.load.load_report import LoadReport
from ingest.load.stream import LoadOptions
from ingest.weights.chart import chart as chart_fingerprints
from ingest.weights.fingerprints.model_files import find_models
from ingest.weights.fingerprints.parquet import load_store_fingerprints, read_fingerprints
from ingest.weights.samples.resample import Resampler
from ingest.weights.write_inferred import write_chart

if TYPE_CHECKING:
    from atlas_db.analysis.compare import ModelComparison
    from atlas_db.analysis.tables import AnalysisTable
    from atlas_db.api.explain import Explanation

ParameterValue = str | int | float | bool | Sequence[str]
"""Value of a query's parameter."""
RUN_COLUMNS = ("id", "kind", "started", "finished", "complete", "parameters", "counts")


class Atlas(ComplianceAccess, GraphAccess):
    """An open atlas. Use it as a context manager, or close it.

    Args:
        store: Address of the store, as for `connect`.
        home: Home folder, as for `connect`.
    """

    def __init__(self, store: str | None = None, home: str | Path | None = None) -> None:
        self._settings = load_settings(store=store, home=home)
        self._settings.home.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._store = open_atlas(self._settings)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connection to the store. A local engine stops when its last connection is closed.

        Examples:
            >>> atlas_db.connect("demo").close()
        """
        self._store.close()

    def __repr__(self) -> str:
        return f"<Atlas {self._settings.store}: {self.status().models:,} models>"

    def _repr_html_(self) -> str:
        rows = "".join(
            f"<tr><td>{escape(name)}</td><td>{escape(str(value))}</td></tr>"
            for name, value in asdict(self.status()).items()
        )
        return f"<table>{rows}</table>"

    def status(self) -> StoreSummary:
        """Return the contents of the store: address, models, placeholders, edges, newest run.

        Examples:
            >>> summary = atlas.status()
            >>> summary.models, summary.edges > 400
            (371, True)
        """
        models = sum(row["models"] for row in query_library.default_rows(self._store, "verdicts"))
        runs = list_runs(self._store)
        return StoreSummary(
            store=self._settings.store,
            address=self._store.address,
            models=models,
            placeholders=self._store.read(count_nodes("Model"))[0]["n"] - models,
            edges=sum(row["edges"] for row in query_library.default_rows(self._store, "edge_counts")),
            newest_run=runs[0]["id"] if runs else None,
        )

    def queries(self) -> ResultTable:
        """Return the shipped queries: `name`, `topic`, `title`, `parameters`.

        Examples:
            >>> {row["name"]: row["title"] for row in atlas.queries()}["ancestors"]
            'Ancestors of a model'
        """
        rows = (
            {"name": q.name, "topic": q.topic, "title": q.title, "parameters": ", ".join(p.name for p in q.parameters)}
            for q in query_library.queries().values()
        )
        return ResultTable(("name", "topic", "title", "parameters"), tuple(rows))

    def query(self, query: str, **parameters: ParameterValue) -> ResultTable:
        """Run a shipped query by name, or your own Cypher.

        Args:
            query: Name of a shipped query, or Cypher: any text with white space in it. It must not write.
            **parameters: The query's own parameters.

        Raises:
            QueryNotFoundError: There is no query of that name.
            QueryParameterError: A parameter is missing, unknown or of the wrong type.
            WriteRefusedError: The Cypher writes.
            CypherError: The Cypher is malformed, or fails on what it reads.
            TimeLimitError: It took longer than the setting `query_seconds`.

        Examples:
            >>> atlas.query("top_parents", limit=2).column("id")
            ['mistralai/Mistral-7B-v0.1', 'meta-llama/Meta-Llama-3-8B']
            >>> cypher = "MATCH (m:Model {license: $license}) RETURN count(m) AS models"
            >>> atlas.query(cypher, license="llama3").to_frame().models[0] > 9
            np.True_
        """
        if any(character.isspace() for character in query):
            columns, rows = self._store.run_user_query(query, parameters)
            return ResultTable(tuple(columns), tuple(rows))
        found, rows = query_library.run_query(self._store, query, {name: _as_text(v) for name, v in parameters.items()})
        return ResultTable(found.columns, tuple(rows))

    def search(self, text: str = "", *, task: str = "", license: str = "", limit: int = 20) -> ResultTable:
        """Return models by a part of the id, by task and by licence, the most downloaded first.

        Examples:
            >>> atlas.search("starcoder", limit=1).column("id")
            ['bigcode/starcoder2-3b']
        """
        return self.query("search", text=text, task=task, license=license, limit=limit)

    def model(self, model: str) -> ModelRecord:
        """Return a model as its newest record describes it.

        Raises:
            ModelNotFoundError: There is no such model; near ids are suggested.

        Examples:
            >>> atlas.model("mistralai/Mistral-7B-v0.1").license
            'apache-2.0'
        """
        return ModelRecord.of(properties_of(self._store, requested_id(model)))

    def claims(self, model: str) -> ResultTable:
        """Return all claims about the attributes of a model, with source, confidence and dates.

        Examples:
            >>> sorted(set(atlas.claims("atlas-demo/tern").column("source")))
            ['declared']
        """
        return self.query("attribute_claims", model=model)

    def lineage(
        self, model: str, *, depth: int = 1, min_confidence: float = 0.0, contradicted: bool = False
    ) -> LineageResult:
        """Return the ancestors and the descendants of a model.

        Args:
            model: Model id.
            depth: Steps each way; 0 for no limit.
            min_confidence: Edges below this confidence are left out.
            contradicted: Follow edges that the weights contradict, too.

        Raises:
            ModelNotFoundError: There is no such model; near ids are suggested.

        Examples:
            >>> found = atlas.lineage("atlas-demo/tern-chat")
            >>> found.ancestors[0].parent, found.ancestors[0].status
            ('atlas-demo/tern', 'verified')
        """
        return LineageResult.of(
            lineage(
                self._store,
                requested_id(model),
                depth=depth,
                min_confidence=min_confidence,
                contradicted=contradicted,
            )
        )

    def compare(self, left: str, right: str) -> ModelComparison:
        """Return two models trait by trait, with edit scripts of metadata and cards (extra `analysis`).

        Raises:
            ModelNotFoundError: One is not in the atlas.

        Examples:
            >>> found = atlas.compare("atlas-demo/tern", "atlas-demo/tern-chat")
            >>> changes = {trait.name: trait.change for trait in found.traits}
            >>> changes["license"], changes["library_name"]
            ('looser', 'same')
        """
        require_extra("analysis")
        from atlas_db.analysis.compare import compare_models

        left, right = requested_id(left), requested_id(right)
        cards = dict(newest_cards(self._settings.home / FOLDER, [left, right]))
        return compare_models(self._store, left, right, cards)

    def analyse(self, *sections: str, seed: int = 0) -> dict[str, AnalysisTable]:
        """Return the tables of the analysis by name, each with title and definition (extra `analysis`).

        Args:
            *sections: tables, growth, coverage, families, mutation, similarity, regions, findings; all by default.
            seed: Seed of every draw.

        Raises:
            UsageError: There is no such section.

        Examples:
            >>> tables = atlas.analyse("families")
            >>> tables["families"].to_frame().root[0]
            'mistralai/Mistral-7B-v0.1'
        """
        require_extra("analysis")
        from atlas_db.analysis.frames import read_frames
        from atlas_db.analysis.sections import SECTIONS, AnalysisOptions, analyse_sections

        frames = read_frames(self._store, self._settings.home)
        by_section = analyse_sections(frames, sections or SECTIONS, AnalysisOptions(seed=seed))
        return {table.name: table for tables in by_section.values() for table in tables}

    def predictions(self, attribute: str = "license") -> ResultTable:
        """Return the predicted values of an attribute: `model`, `value`, `confidence`, `method`.

        Raises:
            UsageError: There is no such attribute.

        Examples:
            >>> confidences = atlas.predictions("pipeline_tag").column("confidence")
            >>> len(confidences) > 0, min(confidences) >= 0.5
            (True, True)
        """
        return self.query("predictions", attribute=attribute, limit=1_000_000_000)

    def complete(self, *attributes: str, precision: float = 0.95, dry_run: bool = False) -> CompletionResult:
        """Predict the missing values of attributes, and write them as predicted claims (extra `gnn`).

        Args:
            *attributes: license, pipeline_tag, library_name, model_type, language, datasets,
                base_model, base_model_relation; all by default.
            precision: Precision to reach; where it is not reached, nothing is predicted.
            dry_run: True where nothing may be written.

        Returns:
            Counts by attribute, and the run.

        Raises:
            CompletionError: There is too little to learn from.
            StoreLockedError: Another process is writing.

        Examples:
            >>> result = atlas.complete("pipeline_tag", dry_run=True)
            >>> result.attributes[0].missing
            42
        """
        require_extra("gnn")
        from gnn.inference.write_predictions import CompleteOptions, complete_and_write

        options = CompleteOptions(attributes, precision=precision, dry_run=dry_run, strict=bool(attributes))
        return CompletionResult.of(complete_and_write(self._store, self._settings.home, options))

    def explain(self, model: str, attribute: str = "license") -> Explanation:
        """Return the reasons for a prediction: candidates, contributions, labelled neighbours (extra `gnn`).

        For a licence, the terms that the model inherits from upstream are listed, too.

        Raises:
            UsageError: There is no such attribute.
            CompletionError: There is no such model, or too little to learn from.

        Examples:
            >>> atlas.explain("atlas-demo/plover-verse-lora", "pipeline_tag").declared
            ('text-generation',)
        """
        require_extra("gnn")
        from atlas_db.api.explain import explain_model

        return explain_model(self._store, self._settings.home, requested_id(model), attribute)

    def load(self, *paths: str | Path, as_of: str = "", dry_run: bool = False) -> LoadReport:
        """Load lists of the Hub, single answers of its API, and model cards.

        Args:
            *paths: Files and folders.
            as_of: Date of the snapshot; by default the newest date in each file.
            dry_run: True where nothing may be written.

        Raises:
            InputError: No input could be read.
            StoreLockedError: Another process is writing.

        Examples:
            >>> atlas.load("models.jsonl", as_of="2024-05-31", dry_run=True).changed
            0
        """
        options = LoadOptions(self._settings.home, as_of, dry_run=dry_run, batch_rows=self._settings.batch_rows)
        return load(self._store, [str(path) for path in paths], options)

    def write_chart(self, fingerprints: str | Path, *, dry_run: bool = False) -> ChartWriteResult:
        """Chart fingerprints, write the edges as inferred claims, and fuse them with the declared ones.

        Args:
            fingerprints: File of fingerprints.
            dry_run: True where nothing may be written.

        Raises:
            InputError: The file cannot be read.
            StoreLockedError: Another process is writing.

        Examples:
            >>> atlas.write_chart("fp.parquet", dry_run=True).edges_by_status["contradicted"]
            1
        """
        known = list(read_fingerprints([Path(fingerprints)]))
        edges = chart_fingerprints(known, Resampler())
        return ChartWriteResult.of(write_chart(self._store, self._settings.home, known, edges, dry_run=dry_run))

    def origin(self, *paths: str | Path) -> list[OriginAnswer]:
        """State from the weights where models come from; parents are looked for among these and the charted ones.

        Args:
            *paths: Folders or files of weights.

        Returns:
            One answer a model; one that could not be read says why.

        Raises:
            InputError: Nothing there holds weights.

        Examples:
            >>> [answer.verdict.value for answer in atlas.origin("models/tern-chat")]
            ['comes_from']
        """
        known = load_store_fingerprints(self._settings.home, ensure_schema(self._store))
        found = answer_models(find_models([Path(path) for path in paths]), known)
        return sorted([*found.answers, *found.not_read], key=lambda answer: answer.model)

    def runs(self) -> ResultTable:
        """Return loads, charts, completions and audits, the newest first.

        Examples:
            >>> sorted(set(atlas.runs().column("kind")))
            ['audit', 'chart', 'completion', 'load']
        """
        return ResultTable(RUN_COLUMNS, tuple(list_runs(self._store)))

    def rollback(self, run_id: str) -> None:
        """Remove the claims and findings of a run, and fuse lineage again.

        Args:
            run_id: Id of the run.

        Raises:
            RollbackError: There is no such run, or a newer load depends on it.

        Examples:
            >>> audits = [run["id"] for run in atlas.runs() if run["kind"] == "audit"]
            >>> atlas.rollback(audits[0])
        """
        rollback(self._store, run_id, self._settings.home, self._settings.batch_rows)

    def py2neo(self) -> Any:  # noqa: ANN401
        """Return a `py2neo.Graph` on this store (extra `py2neo`, a true Neo4j only).

        For existing py2neo code. py2neo is no longer maintained: new code should use `query` or the official driver.

        Raises:
            UsageError: The store is no Neo4j.

        Examples:
            >>> atlas.py2neo()
            Traceback (most recent call last):
            atlas_db.core.errors.UsageError: py2neo needs a true Neo4j. Open one: neo4j-local, or bolt://HOST:PORT
        """
        require_extra("py2neo")
        place = local_place(self._settings)
        if place is not None and place[0].name == "local":
            raise UsageError("py2neo needs a true Neo4j", hint="Open one: neo4j-local, or bolt://HOST:PORT")
        from py2neo import Graph

        name = self._settings.database if place is None else place[0].database
        return Graph(self._store.address, auth=credentials(self._settings), name=name)


def _as_text(value: ParameterValue) -> str:
    """Return a parameter as it is typed on the command line."""
    if isinstance(value, Mapping):
        raise UsageError("a parameter of a shipped query is no mapping", hint="Give a plain value or a list")
    if isinstance(value, list | tuple):
        return ",".join(map(str, value))
    return str(value).lower() if isinstance(value, bool) else str(value)
