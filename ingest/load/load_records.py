"""Loads record files into the graph.

Each file is read twice: once for the date of its snapshot, once to stream its records into batches. In an empty store
records are created while the next batch is parsed; otherwise they are merged with the existing ones. Then all names of
parents are resolved together and both lineage layers are synchronised.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager, ExitStack, closing, nullcontext
from functools import partial
from typing import Any

from filelock import BaseFileLock

from atlas_db.cards.card_store import FOLDER, CardWriter
from atlas_db.claims import runs
from atlas_db.claims.declared_parents import ParentDeclaration
from atlas_db.claims.lineage_sync import WriteContext, read_name_evidence, synchronise_lineage
from atlas_db.claims.model_names import NameEvidence
from atlas_db.claims.parameters.claim_parameters import claim_parameters
from atlas_db.claims.undo import UndoFile
from atlas_db.core.records import HubRecord
from atlas_db.core.schema import SCHEMA
from atlas_db.core.terms import Progress, RecordKind, RunKind
from atlas_db.store.batches import Batches
from atlas_db.store.bolt import Store, Transaction
from atlas_db.store.bulk.first_load import NewGraph
from atlas_db.store.bulk.graph_batch import GraphBatch
from atlas_db.store.bulk.import_files import BulkImportFiles
from atlas_db.store.bulk.offline_import import OfflineEndpoint, offline_import, seize_engine
from atlas_db.store.connect import atlas_node
from atlas_db.store.garbage_collection import gc_tuned
from atlas_db.store.statements import Statement, all_nodes, count_nodes, indexes
from ingest.hub.snapshot import SourceFile, find_inputs, newest_date
from ingest.load.load_report import LoadReport, RejectFile, timed
from ingest.load.new_graph import NewGraphWriter, collect_facts
from ingest.load.record_merge import merge_node
from ingest.load.stream import LoadOptions, RecordStream
from ingest.load.write_records import LABELS, MergedRecord, RecordCreator, RecordMerger

QUEUED_BATCHES = 2
MIN_OFFLINE_ROWS = 150_000
"""Records from which stopping the engine, importing and starting it again takes less time than Cypher."""
WAIT_SECONDS = 600.0
"""Seconds for which a load waits for another writer of its store."""
_ALL_NODES = Statement("MATCH (n) RETURN count(n) AS n")


def load(store: Store, paths: list[str], options: LoadOptions, progress: Progress = lambda *_: None) -> LoadReport:
    """Load files into the store.

    Args:
        store: An open store.
        paths: Files, folders, `-`.
        options: Options of the load.
        progress: Called with the progress.

    Returns:
        The report. Bad records are rejected and counted; they never stop the load.

    Raises:
        InputError: Nothing readable came in.
        StoreLockedError: Another process has been writing for ten minutes.
        StoreError: The store failed. The same load, run again, gives the same graph.
    """
    return _LoadJob(store, options, progress).run(find_inputs(paths, options.home / "spool"))


class _LoadJob:
    def __init__(self, store: Store, options: LoadOptions, progress: Progress) -> None:
        self._store = store
        self._options = options
        self._progress = progress
        self._report = LoadReport(dry_run=options.dry_run)
        self._models: dict[str, NameEvidence] = {}
        self._declarations: dict[str, list[ParentDeclaration]] = {}
        self._stated: dict[str, str] = {}

    def run(self, files: list[SourceFile]) -> LoadReport:
        if self._options.dry_run:
            return self._run(files, "")
        self._progress("wait for other writers", 0, 0)
        with runs.exclusive_writer(self._store, self._options.home, WAIT_SECONDS) as store_id:
            return self._run(files, store_id)

    def _run(self, files: list[SourceFile], store_id: str) -> LoadReport:
        report, options = self._report, self._options
        stream = RecordStream(report, options, self._progress)
        with timed(report.seconds, "scan"):
            files = stream.with_dates(files)
        empty = self._count(LABELS.values()) == 0
        if (
            empty
            and (endpoint := self._offline_endpoint(stream, files)) is not None
            and (owner := seize_engine(self._store, endpoint)) is not None
        ):
            return self._load_offline(endpoint, owner, stream, files, store_id)
        batch_of_first_load = self._batch_of_first_load() if empty else nullcontext()
        resumed = runs.has_unfinished_load(self._store)
        undo: UndoFile | None = None
        if not options.dry_run:
            report.run_id = runs.begin_run(self._store, RunKind.LOAD, self._parameters(files))
            undo = UndoFile(options.home, store_id, report.run_id)
            undo.begin(empty_store=empty)
        rejects = RejectFile(options.home / "rejects" / f"{report.run_id or 'dry-run'}.jsonl", report)
        cards = CardWriter(options.home / FOLDER, report.run_id, enabled=not options.dry_run)
        with batch_of_first_load as batch:
            try:
                with timed(report.seconds, "records"), gc_tuned():
                    records = stream.records(files, rejects, cards)
                    if empty:
                        records = self._create(records, batch)
                    self._upsert(records, undo, trusted=not empty and not resumed)
            finally:
                rejects.close()
                cards.close()
                if undo is not None:
                    undo.close()
            with timed(report.seconds, "lineage"):
                self._sync_lineage(batch, fresh=empty, forced=resumed or empty)
        stream.require_records()
        if not options.dry_run:
            runs.finish_run(self._store, report.run_id, report.counts())
        return report

    def _parameters(self, files: list[SourceFile]) -> dict[str, Any]:
        tuned = {each.name: each.value for each in claim_parameters()}
        return {"as_of": self._report.as_of, "files": [file.name for file in files], "parameters": tuned}

    def _offline_endpoint(self, stream: RecordStream, files: list[SourceFile]) -> OfflineEndpoint | None:
        """Return the engine of a store without data, where its import tool is faster and nobody else is connected."""
        endpoint = self._store.offline
        if endpoint is None or self._options.dry_run:
            return None
        if (stream.total or sum(newest_date(file)[1] for file in files)) < MIN_OFFLINE_ROWS:
            return None
        # The tool replaces the database, so that nodes of other labels count, too.
        return endpoint if int(self._store.read(_ALL_NODES)[0]["n"]) <= 1 and endpoint.is_unused() else None

    def _load_offline(
        self,
        endpoint: OfflineEndpoint,
        owner: BaseFileLock,
        stream: RecordStream,
        files: list[SourceFile],
        store_id: str,
    ) -> LoadReport:
        """Load into a store without data by its engine's import tool."""
        report, options = self._report, self._options
        run = runs.new_run(RunKind.LOAD, self._parameters(files))
        report.run_id = run["id"]
        undo = UndoFile(options.home, store_id, report.run_id)
        rejects = RejectFile(options.home / "rejects" / f"{report.run_id}.jsonl", report)
        cards = CardWriter(options.home / FOLDER, report.run_id, enabled=True)
        with closing(undo), closing(cards), closing(rejects), ExitStack() as importing:
            undo.begin(empty_store=True)
            out = importing.enter_context(offline_import(self._store, endpoint, owner, self._progress))
            out.node("Atlas", atlas_node(store_id))
            out.node("Run", run)
            writer = NewGraphWriter(out, report, options.batch_rows)
            with timed(report.seconds, "records"), gc_tuned():
                rest = writer.write(stream.records(files, rejects, cards))
            stream.require_records()
            self._models, self._declarations = writer.models, writer.declarations
            if not rest:
                with timed(report.seconds, "lineage"):
                    self._sync_lineage(out, fresh=True, forced=True)
            with timed(report.seconds, "import"):
                importing.close()
            if rest:
                # Their repositories are whole only now, and with them what they say of their parents.
                self._upsert(iter(rest), undo, trusted=False)
                with timed(report.seconds, "lineage"):
                    self._sync_lineage(None, fresh=True, forced=True)
        runs.finish_run(self._store, report.run_id, report.counts())
        return report

    def _count(self, labels: Iterable[str]) -> int:
        """Return the number of nodes with any of the labels."""
        return sum(int(self._store.read(count_nodes(label))[0]["n"]) for label in labels)

    def _batch_of_first_load(self) -> AbstractContextManager[GraphBatch | None]:
        """Return the batch of a store that holds no node but its description, where its engine takes batches."""
        endpoint = self._store.batches
        if endpoint is None or self._options.dry_run or self._count(node.label for node in SCHEMA.nodes) > 1:
            return nullcontext()
        return GraphBatch(self._store, endpoint)

    def _create(
        self, records: Iterator[tuple[HubRecord, str]], batch_out: GraphBatch | None
    ) -> Iterator[tuple[HubRecord, str]]:
        """Create the node of the first record of each id; yield the others, to be merged."""
        creator = RecordCreator(self._report.run_id, self._report)
        written: dict[str, set[str]] = {label: set() for label in LABELS.values()}
        rest: list[tuple[HubRecord, str]] = []
        with ThreadPoolExecutor(1) as sender, ExitStack() as over:
            # Where one batch fails, the queued ones would each wait for the store in vain.
            over.callback(sender.shutdown, cancel_futures=True)
            queue: deque[Future[None]] = deque()
            batch: list[MergedRecord] = []

            def flush() -> None:
                if not batch:
                    return
                arguments = creator.prepare(batch)
                batch.clear()
                if batch_out is not None:
                    queue.append(sender.submit(RecordCreator.add_to_batch, arguments, batch_out))
                elif not self._options.dry_run:
                    queue.append(sender.submit(self._create_batch, arguments, dict(self._report.newest)))
                while len(queue) > QUEUED_BATCHES or (queue and queue[0].done()):
                    queue.popleft().result()

            for record, as_of in records:
                label = LABELS[record.kind]
                # Datasets can exist already as values of models' claims, so only models are created without a look-up.
                if record.kind is RecordKind.DATASET or record.id in written[label]:
                    rest.append((record, as_of))
                    continue
                written[label].add(record.id)
                node = merge_node(None, record, as_of)
                collect_facts(node, self._models, self._declarations)
                batch.append(MergedRecord(record, as_of, node))
                if len(batch) >= self._options.batch_rows:
                    flush()
            flush()
            while queue:
                queue.popleft().result()
            if batch_out is not None:
                batch_out.flush()
        yield from rest

    def _create_batch(self, arguments: list[tuple[str, Any]], dates: dict[str, str]) -> None:
        self._store.write(partial(RecordCreator.write_arguments, arguments))
        self._state_newest(dates)

    def _upsert(self, records: Iterator[tuple[HubRecord, str]], undo: UndoFile | None, *, trusted: bool) -> None:
        upserter = RecordMerger(self._report.run_id, self._report, undo, dry_run=self._options.dry_run)
        digests = self._digests() if trusted else {}
        batches: dict[str, dict[str, tuple[HubRecord, str]]] = {label: {} for label in LABELS.values()}

        batches_out = Batches(self._store, self._options.batch_rows)

        def flush(label: str) -> None:
            items = list(batches[label].values())
            batches[label].clear()
            batches_out.run(items, partial(self._merge, upserter), upserter.count)
            self._state_newest(dict(self._report.newest))

        for record, as_of in records:
            label = LABELS[record.kind]
            if digests.get((label, record.id)) == (record.digest, as_of):
                self._report.nodes["unchanged"] += 1
                continue
            if record.id in batches[label] or len(batches[label]) >= self._options.batch_rows:
                flush(label)
            batches[label][record.id] = (record, as_of)
        for label in batches:
            flush(label)

    def _state_newest(self, dates: dict[str, str]) -> None:
        """State the dates of the records written so far where they changed, once or twice a file."""
        if dates != self._stated and not self._options.dry_run:
            runs.state_newest_records(self._store, self._report.run_id, dates)
            self._stated = dates

    def _merge(self, upserter: RecordMerger, tx: Transaction, items: Any) -> None:  # noqa: ANN401
        nodes = upserter.write(tx, items)
        if items[0][0].kind is RecordKind.MODEL:
            for node in nodes:
                collect_facts(node, self._models, self._declarations)

    def _digests(self) -> dict[tuple[str, str], tuple[str, str]]:
        found = {}
        for label in LABELS.values():
            for identifier, digest, last_seen in self._store.fetch_all(
                all_nodes(label, ("id", "record_digest", "last_seen"), having="record_digest")
            ):
                found[label, identifier] = (digest, last_seen)
        return found

    def _sync_lineage(self, batch: NewGraph | None, *, fresh: bool, forced: bool) -> None:
        """Build the indexes, and write the lineage if anything changed."""
        dry_run, report = self._options.dry_run, self._report
        with ThreadPoolExecutor(1) as indexer:
            # The engine builds its indexes while names are resolved here. An import tool makes its own at its end.
            offline = isinstance(batch, BulkImportFiles)
            indexed = None if dry_run or offline else indexer.submit(self._store.apply_schema, indexes())
            if forced or report.changed:
                self._progress("lineage", 0, 0)
                models, declarations = ({}, {}) if fresh else read_name_evidence(self._store)
                models |= self._models
                declarations |= self._declarations
                report.parents, report.edges, report.lineage = synchronise_lineage(
                    self._store,
                    models,
                    [declaration for of_model in declarations.values() for declaration in of_model],
                    WriteContext(
                        report.run_id, self._options.batch_rows, fresh, dry_run,
                        before_write=indexed.result if indexed else lambda: None, batch=batch,
                    ),
                )  # fmt: skip
            if indexed is not None:
                indexed.result()
