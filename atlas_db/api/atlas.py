"""An open atlas: what can be asked of it from Python, and done to it."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import pandas as pd

from atlas_db.analysis.compare import compare_models
from atlas_db.analysis.frames import read_frames
from atlas_db.analysis.sections import SECTIONS, AnalysisOptions, analyse
from atlas_db.bom.collect import collect_contents
from atlas_db.bom.cyclonedx import write_bom
from atlas_db.core.errors import UsageError
from atlas_db.core.extras import require_extra
from atlas_db.core.settings import load_settings
from atlas_db.licenses.audit import COLUMNS, AuditOptions, audit_models
from atlas_db.licenses.write_findings import audit_and_write
from atlas_db.lineage.traversal import STEPS, Lineage, degree_summary, lineage, properties_of
from atlas_db.store.connect import credentials, local_place, open_store
from atlas_db.store.statements import count_nodes
from cypher import query_library
from ingest.hub.card_store import FOLDER, newest_cards
from ingest.load.load_records import load
from ingest.load.load_report import LoadReport
from ingest.load.runs import list_runs, rollback
from ingest.load.stream import LoadOptions
from ingest.weights.chart import chart as chart_prints
from ingest.weights.fingerprints.parquet import read_prints
from ingest.weights.samples.resample import Rereader
from ingest.weights.write_inferred import write_chart


class LineageView:
    """A model and what is around it; in a notebook, a table.

    Attributes:
        model: Properties of the model.
        counts: Parents, children, and within the depth all ancestors and descendants; children by relation.
        frame: One row an edge: `direction` up or down, `hops`, `child`, `parent`, `relation`, `status`, `confidence`,
            `license` and `downloads` of the far end.
    """

    def __init__(self, found: Lineage) -> None:
        self.model = found.model
        self.counts = found.counts
        self.frame = pd.DataFrame(found.rows(), columns=list(STEPS))

    def __repr__(self) -> str:
        return f"<Lineage of {self.model['id']}: {degree_summary(self.counts)}>"

    def _repr_html_(self) -> str:
        facts = ", ".join(str(self.model[name]) for name in ("license", "pipeline_tag") if self.model.get(name))
        return f"<b>{escape(str(self.model['id']))}</b> {escape(facts)}{self.frame.to_html(index=False)}"


class Atlas:
    """An open atlas.

    Args:
        store: Address of the store, as for `connect`.
        home: Home folder, as for `connect`.
    """

    def __init__(self, store: str | None = None, home: str | Path | None = None) -> None:
        self._settings = load_settings(store=store, home=home)
        self._settings.home.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._store = open_store(self._settings)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the store; a local engine stops by itself when nobody is left.

        Example:
            >>> atlas_db.connect("demo").close()
        """
        self._store.close()

    def __repr__(self) -> str:
        return f"<Atlas {self._settings.store}: {self.status()['models']:,} models>"

    def _repr_html_(self) -> str:
        rows = "".join(
            f"<tr><td>{escape(name)}</td><td>{escape(str(value))}</td></tr>" for name, value in self.status().items()
        )
        return f"<table>{rows}</table>"

    def status(self) -> dict[str, Any]:
        """Return what the atlas holds: address, models with a record, placeholders, edges, newest run.

        Example:
            >>> status = atlas.status()
            >>> status["models"], status["edges"] > 400
            (371, True)
        """
        verdicts = self.query("verdicts")
        runs = list_runs(self._store)
        return {
            "store": self._settings.store,
            "address": self._store.address,
            "models": int(verdicts.models.sum()),
            "placeholders": self._store.read(count_nodes("Model"))[0]["n"] - int(verdicts.models.sum()),
            "edges": int(self.query("edge_counts").edges.sum()),
            "newest_run": runs[0]["id"] if runs else None,
        }

    def queries(self) -> pd.DataFrame:
        """Return the shipped questions: `name`, `topic`, `title`, `parameters`.

        Example:
            >>> atlas.queries().set_index("name").title["ancestors"]
            'Ancestors of a model'
        """
        rows = [
            {"name": q.name, "topic": q.topic, "title": q.title, "parameters": ", ".join(p.name for p in q.parameters)}
            for q in query_library.queries().values()
        ]
        return pd.DataFrame(rows)

    def query(self, query: str, **parameters: Any) -> pd.DataFrame:  # noqa: ANN401
        """Ask a shipped question by name, or your own Cypher.

        Args:
            query: Name of a shipped query, or Cypher (any text with a space in it). It must not write.
            **parameters: Its parameters.

        Raises:
            QueryNotFoundError: There is no question of that name.
            QueryParameterError: A parameter is missing, unknown or of the wrong kind.
            WriteRefusedError: The Cypher writes.
            StoreRefusedError: The Cypher is malformed.

        Example:
            >>> atlas.query("top_parents", limit=2).id.tolist()
            ['mistralai/Mistral-7B-v0.1', 'meta-llama/Meta-Llama-3-8B']
            >>> cypher = "MATCH (m:Model {license: $license}) RETURN count(m) AS models"
            >>> int(atlas.query(cypher, license="llama3").models[0]) > 9
            True
        """
        if any(character.isspace() for character in query):
            columns, rows = self._store.run_user_query(query, parameters)
        else:
            texts = {name: _text(value) for name, value in parameters.items()}
            found, rows = query_library.run_query(self._store, query, texts)
            columns = list(found.columns)
        return pd.DataFrame(rows, columns=columns)

    def search(self, text: str = "", *, task: str = "", license: str = "", limit: int = 20) -> pd.DataFrame:
        """Return models by a part of the id, task and licence, the most downloaded first.

        Example:
            >>> atlas.search("starcoder", limit=1).id[0]
            'bigcode/starcoder2-3b'
        """
        return self.query("search", text=text, task=task, license=license, limit=limit)

    def model(self, model: str) -> dict[str, Any]:
        """Return the properties of a model, as its newest record has them.

        Raises:
            ModelNotFoundError: There is no such model; near ids are suggested.

        Example:
            >>> atlas.model("mistralai/Mistral-7B-v0.1")["license"]
            'apache-2.0'
        """
        return properties_of(self._store, model)

    def claims(self, model: str) -> pd.DataFrame:
        """Return everything that anybody claims of a model, with source, confidence and dates.

        Example:
            >>> atlas.claims("atlas-demo/tern").source.unique().tolist()
            ['declared']
        """
        return self.query("model", model=model)

    def lineage(
        self, model: str, *, depth: int = 1, min_confidence: float = 0.0, contradicted: bool = False
    ) -> LineageView:
        """Return what a model comes from, and what was made of it.

        Args:
            model: Model id.
            depth: Steps each way; 0 follows to the end.
            min_confidence: Edges below this are not followed.
            contradicted: Follow edges that the weights contradict, too.

        Raises:
            ModelNotFoundError: There is no such model; near ids are suggested.

        Example:
            >>> atlas.lineage("atlas-demo/tern-chat").frame[["direction", "child", "status"]].values.tolist()[0]
            ['up', 'atlas-demo/tern-chat', 'verified']
        """
        return LineageView(
            lineage(self._store, model, depth=depth, min_confidence=min_confidence, contradicted=contradicted)
        )

    def audit(self, *models: str, profile: str = "default") -> pd.DataFrame:
        """Audit models against everything above them. Nothing is written; no legal advice.

        Args:
            *models: Model ids.
            profile: strict, default or lenient.

        Returns:
            Findings, and obligations that are in order as long as they are met, one row each.

        Raises:
            ModelNotFoundError: The atlas has none of them.

        Example:
            >>> found = atlas.audit("atlas-demo/tern-chat")
            >>> found[["ancestor", "rule", "verdict"]].values.tolist()[0]
            ['atlas-demo/tern', 'non-commercial-lost', 'violation']
        """
        report = audit_models(self._store, models, AuditOptions(profile))
        return pd.DataFrame([*report.findings, *report.obligations], columns=[*COLUMNS, "path"])

    def audit_all(self, *, profile: str = "default") -> pd.DataFrame:
        """Audit the whole atlas and write verdicts and findings into it.

        Returns:
            Models by verdict: `verdict`, `models`.

        Raises:
            StoreLockedError: Another process is writing.

        Example:
            >>> int(atlas.audit_all().models.sum())
            371
        """
        audit_and_write(self._store, self._settings.home, AuditOptions(profile), self._settings.batch_rows)
        return self.query("verdicts")

    def bom(self, model: str, *, spec: str = "1.7") -> dict[str, Any]:
        """Return a model's bill of materials (CycloneDX), checked by the standard's own validator.

        Raises:
            ModelNotFoundError: There is no such model.
            BomError: It would be invalid.

        Example:
            >>> atlas.bom("atlas-demo/tern-chat")["bomFormat"]
            'CycloneDX'
        """
        return write_bom(collect_contents(self._store, model), spec)

    def compare(self, left: str, right: str) -> pd.DataFrame:
        """Return two models trait by trait: `name`, `left`, `right`, `verdict`.

        Raises:
            ModelNotFoundError: One is not in the atlas.

        Example:
            >>> traits = atlas.compare("atlas-demo/tern", "atlas-demo/tern-chat").set_index("name")
            >>> traits.verdict["license"], traits.verdict["library_name"]
            ('looser', 'same')
        """
        cards = dict(newest_cards(self._settings.home / FOLDER, [left, right]))
        return pd.DataFrame([trait._asdict() for trait in compare_models(self._store, left, right, cards).traits])

    def analyse(self, *sections: str, seed: int = 0) -> dict[str, pd.DataFrame]:
        """Return the tables of the analysis by name; each frame's `attrs` hold its title and its definition.

        Args:
            *sections: tables, growth, coverage, families, mutation, similarity, regions, findings; all by default.
            seed: Seed of every draw.

        Raises:
            UsageError: There is no such section.

        Example:
            >>> "families" in atlas.analyse("families")
            True
        """
        made = analyse(read_frames(self._store, self._settings.home), sections or SECTIONS, AnalysisOptions(seed=seed))
        frames = {}
        for table in (table for each in made.values() for table in each):
            frames[table.name] = table.frame
            table.frame.attrs = {"title": table.title, "definition": table.definition}
        return frames

    def predictions(self, attribute: str = "license") -> pd.DataFrame:
        """Return what completion predicts of an attribute: `model`, `value`, `confidence`, `method`.

        Raises:
            UsageError: There is no such attribute.

        Example:
            >>> guessed = atlas.predictions("pipeline_tag")
            >>> bool(len(guessed)), guessed.confidence.between(0.5, 1).all().item()
            (True, True)
        """
        return self.query("predictions", attribute=attribute, limit=1_000_000_000)

    def complete(self, *attributes: str, precision: float = 0.95, dry_run: bool = False) -> dict[str, Any]:
        """Learn what models lack, and write it as predicted claims (extra `gnn`).

        Args:
            *attributes: license, pipeline_tag, library_name, model_type, language, datasets,
                base_model, base_model_relation; by default all.
            precision: Precision to reach; below it, nothing is said.
            dry_run: True where nothing may be written.

        Returns:
            Counts: missing, predicted, thresholds, trained, skipped, written, run_id.

        Raises:
            CompletionError: There is too little to learn from.
            StoreLockedError: Another process is writing.

        Example:
            >>> atlas.complete("pipeline_tag", dry_run=True)["missing"]
            {'pipeline_tag': 42}
        """
        require_extra("gnn")
        from gnn.inference.write_predictions import CompleteOptions, complete_and_write

        options = CompleteOptions(attributes, precision=precision, dry_run=dry_run, strict=bool(attributes))
        return complete_and_write(self._store, self._settings.home, options).counts()

    def explain(self, model: str, attribute: str = "license") -> dict[str, Any]:
        """Say why a value is predicted: candidates, what speaks for the first, who is around (extra `gnn`).

        Of a licence, also what is inherited from upstream, whatever its author would declare.

        Raises:
            UsageError: There is no such attribute.
            CompletionError: There is no such model, or too little to learn from.

        Example:
            >>> atlas.explain("atlas-demo/plover-verse-lora", "pipeline_tag")["declared"]
            ['text-generation']
        """
        require_extra("gnn")
        from atlas_db.api.explain import explain_model

        return explain_model(self._store, self._settings.home, model, attribute)

    def load(self, *paths: str | Path, as_of: str = "", dry_run: bool = False) -> LoadReport:
        """Load Hub lists, answers and cards.

        Raises:
            InputError: Nothing readable came in.
            StoreLockedError: Another process is writing.

        Example:
            >>> atlas.load(lists / "tiny.jsonl", as_of="2024-05-31", dry_run=True).changed
            0
        """
        options = LoadOptions(self._settings.home, as_of, dry_run=dry_run, batch_rows=self._settings.batch_rows)
        return load(self._store, [str(path) for path in paths], options)

    def write_chart(self, prints: str | Path, *, dry_run: bool = False) -> dict[str, Any]:
        """Chart fingerprints into the graph, beside what is declared there.

        Returns:
            Counts: testimony and edges created, changed, removed; edges by status.

        Raises:
            InputError: The file cannot be read.
            StoreLockedError: Another process is writing.

        Example:
            >>> atlas.write_chart(folder / "fp.parquet", dry_run=True)["contradicted"]
            1
        """
        known = list(read_prints([Path(prints)]))
        return write_chart(self._store, self._settings.home, known, chart_prints(known, Rereader()), dry_run=dry_run)

    def runs(self) -> pd.DataFrame:
        """Return loads, charts, completions and audits, the newest first.

        Example:
            >>> sorted(set(atlas.runs().kind))
            ['audit', 'chart', 'completion', 'load']
        """
        return pd.DataFrame(list_runs(self._store))

    def rollback(self, run_id: str) -> None:
        """Take a run back: its claims, testimony and findings go, and lineage is fused anew.

        Raises:
            RollbackError: There is no such run, or a newer load stands on it.

        Example:
            >>> atlas.rollback(atlas.runs().query("kind == 'audit'").id.iloc[0])
        """
        rollback(self._store, run_id, self._settings.home, self._settings.batch_rows)

    def py2neo(self) -> Any:  # noqa: ANN401
        """Return a `py2neo.Graph` on this store (extra `py2neo`, a true Neo4j only).

        For code that has one already: py2neo is no longer maintained; new code does better with the official driver, or
        with `query`.

        Raises:
            UsageError: The store is no Neo4j.

        Example:
            >>> atlas.py2neo()
            Traceback (most recent call last):
            atlas_db.core.errors.UsageError: py2neo speaks to a true Neo4j only. Open one: neo4j-local, or bolt://HOST:PORT
        """
        require_extra("py2neo")
        place = local_place(self._settings)
        if place is not None and place[0].name == "local":
            raise UsageError("py2neo speaks to a true Neo4j only", hint="Open one: neo4j-local, or bolt://HOST:PORT")
        from py2neo import Graph

        name = self._settings.database if place is None else place[0].database
        return Graph(self._store.address, auth=credentials(self._settings), name=name)


def _text(value: Any) -> str:  # noqa: ANN401
    """Return a parameter as the command line would have it."""
    if isinstance(value, Mapping):
        raise UsageError("a parameter of a shipped question is no mapping", hint="Give a plain value or a list")
    if isinstance(value, list | tuple):
        return ",".join(map(str, value))
    return str(value).lower() if isinstance(value, bool) else str(value)
