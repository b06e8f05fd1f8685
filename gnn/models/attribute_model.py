"""The model of one attribute: bag of words, ranker, calibration and, on demand, network, as one checkpoint."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import msgspec
import numpy as np
from lightgbm.basic import LightGBMError
from safetensors import SafetensorError

from atlas_db.core.arrays import Doubles, Integers
from atlas_db.core.decoding import MalformedError, read_json
from atlas_db.core.errors import CompletionError
from atlas_db.core.files import write_whole
from atlas_db.core.terms import Progress
from gnn.dataset.neighbourhood import Neighbourhood
from gnn.dataset.query import CompletionQuery
from gnn.dataset.tasks import TASKS, VERSION
from gnn.features.candidate_table import CandidateTable, CandidateTableBuilder, ClassScores
from gnn.features.neighbours import sample_neighbours
from gnn.models.bag_of_words import BagOfWordsClassifier
from gnn.models.calibration import Calibration, normalised_by_group
from gnn.models.correct_and_smooth import LabelSmoothing
from gnn.models.ranker import Ranker
from gnn.parameters.candidate_parameters import CANDIDATE

# The modules of the network import torch, which takes half a GB: they are imported where there is a network.
if TYPE_CHECKING:
    from gnn.models.graph_network import GraphNetwork

CHUNK_SIZE = 2_000
"""Models completed at once."""
PREFETCHED_CHUNKS = 2
"""Chunks whose candidate tables are built while the ranker scores an earlier one."""


class RankedCandidates(NamedTuple):
    """Candidate values of models with their probabilities.

    Attributes:
        query_index: Index of each candidate's model in the query, ascending, shape (c,).
        values: Index of each candidate's value, shape (c,).
        probability: Calibrated probability, shape (c,).
        score: Score, normalised over the candidates of a model; it decides the rank, shape (c,).
    """

    query_index: Integers
    values: Integers
    probability: Doubles
    score: Doubles

    def order_and_rank(self) -> tuple[Integers, Integers]:
        """Return the candidates by model and falling score, and the rank of each within its model, both shape (c,)."""
        order = np.lexsort((self.values, -self.score, self.query_index))
        ordered = self.query_index[order]
        return order, np.arange(len(order)) - np.searchsorted(ordered, ordered)

    def top_values(self, models: int) -> tuple[Integers, Doubles]:
        """Return the value of the highest score of each model and its probability, both shape (models,).

        Args:
            models: Number of models in the query.

        Returns:
            Values, -1 where a model has no candidate, and probabilities, then 0.
        """
        order, rank = self.order_and_rank()
        first = order[rank == 0]
        values, confidence = np.full(models, -1, np.int64), np.zeros(models)
        values[self.query_index[first]] = self.values[first]
        confidence[self.query_index[first]] = self.probability[first]
        return values, confidence


@dataclass(slots=True)
class AttributeModel:
    """Completes one attribute: the bag of words and, where there is one, the network feed a calibrated ranker.

    `gnn.models.training.fit_attribute_model` fits it.

    Attributes:
        attribute: Name of the attribute.
        values: Names of the values that the network has outputs for.
        network: The graph network; None where the model was fitted without.
        bag_of_words: Logistic regression on tokens.
        ranker: Gradient-boosted trees over candidates.
        calibration: Maps from scores to confidence, and the threshold.
    """

    attribute: str
    values: list[str]
    network: GraphNetwork | None
    bag_of_words: BagOfWordsClassifier
    ranker: Ranker
    calibration: Calibration
    _label_smoothing: LabelSmoothing | None = None

    def class_of_value(self, neighbourhood: Neighbourhood) -> Integers:
        """Return the network's output of each value of the graph, -1 for none, shape (graph values,)."""
        return neighbourhood.value_positions(self.values)

    def candidate_table(self, neighbourhood: Neighbourhood, query: CompletionQuery) -> CandidateTable:
        """Return the candidates of models with their features."""
        if self._label_smoothing is None or self._label_smoothing.neighbourhood is not neighbourhood:
            self._label_smoothing = LabelSmoothing(neighbourhood, self.bag_of_words)
        return build_candidate_table(self._label_smoothing, self.network, self.class_of_value(neighbourhood), query)

    def rank(self, neighbourhood: Neighbourhood, query: CompletionQuery) -> tuple[CandidateTable, RankedCandidates]:
        """Return the candidates of models with their features, and with their probabilities."""
        return self._with_ranking(neighbourhood, query, self.candidate_table(neighbourhood, query))

    def _with_ranking(
        self, neighbourhood: Neighbourhood, query: CompletionQuery, table: CandidateTable
    ) -> tuple[CandidateTable, RankedCandidates]:
        return table, self.calibrated(neighbourhood, query, table, self.ranker.score(table.features, table.query_index))

    def rank_in_chunks(
        self, neighbourhood: Neighbourhood, query: CompletionQuery, progress: Progress
    ) -> Iterator[tuple[int, CompletionQuery, CandidateTable, RankedCandidates]]:
        """Yield `rank` of some thousand models at a time, after the chunk's first index and its query."""
        starts = range(0, len(query), CHUNK_SIZE)
        parts = [query.subset(slice(start, start + CHUNK_SIZE)) for start in starts]
        with ThreadPoolExecutor(PREFETCHED_CHUNKS) as executor:
            # Tables of the next chunks are built while the ranker scores this one. The first chunk is built alone: it
            # fills the lazily cached indexes, which two threads would build twice.
            pending = [executor.submit(self.candidate_table, neighbourhood, part) for part in parts[:1]]
            for number, start in enumerate(starts):
                progress(f"Complete {self.attribute}", start, len(query))
                table = pending.pop(0).result()
                upcoming = parts[number + 1 + len(pending) : number + 1 + PREFETCHED_CHUNKS]
                pending += [executor.submit(self.candidate_table, neighbourhood, part) for part in upcoming]
                yield start, parts[number], *self._with_ranking(neighbourhood, parts[number], table)
        progress(f"Complete {self.attribute}", len(query), len(query))

    def predict_proba(
        self, neighbourhood: Neighbourhood, query: CompletionQuery, progress: Progress = lambda *_: None
    ) -> RankedCandidates:
        """Return the candidates of models with their probabilities.

        Args:
            neighbourhood: Visible declarations, tokens and groups of every model.
            query: The models, shape (q,).
            progress: Called with stage, done and total.
        """
        parts = [
            ranked._replace(query_index=ranked.query_index + start)
            for start, _, _, ranked in self.rank_in_chunks(neighbourhood, query, progress)
        ]
        if not parts:
            no_rows, no_scores = np.zeros(0, np.int64), np.zeros(0)
            return RankedCandidates(no_rows, no_rows, no_scores, no_scores)
        return RankedCandidates(*(np.concatenate(column) for column in zip(*parts, strict=True)))

    def calibrated(
        self, neighbourhood: Neighbourhood, query: CompletionQuery, table: CandidateTable, scores: Doubles
    ) -> RankedCandidates:
        """Return candidates with calibrated probabilities.

        Where an attribute has one value, the probabilities of a model's candidates sum to 1 at most.

        Args:
            neighbourhood: Visible declarations, which decide whether a model has metadata.
            query: The models, shape (q,).
            table: Their candidates.
            scores: Score of each candidate by the ranker, shape (c,).
        """
        normalised_scores = normalised_by_group(
            scores, table.query_index, len(query), self.calibration.inverse_temperature
        )
        has_metadata = neighbourhood.has_metadata(query)[table.query_index]
        probability = np.where(
            has_metadata,
            self.calibration.with_metadata(normalised_scores),
            self.calibration.cold_start(normalised_scores),
        )
        if not neighbourhood.task.multi_valued:
            probability /= np.maximum(np.bincount(table.query_index, probability, len(query)), 1.0)[table.query_index]
        return RankedCandidates(table.query_index, table.values, probability, normalised_scores)

    def save(self, folder: Path) -> None:
        """Write a checkpoint: tensors as safetensors, trees as text, the rest as JSON; no pickle."""
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "meta.json").unlink(missing_ok=True)
        if self.network is not None:
            from safetensors.torch import save_file

            save_file(self.network.state_dict(), folder / "network.safetensors")
        self.bag_of_words.save(folder / "bag_of_words.safetensors")
        self.ranker.save(folder)
        metadata = {
            "version": VERSION,
            "attribute": self.attribute,
            "values": self.values,
            "bag_of_words_values": self.bag_of_words.values,
            "network": self.network is not None,
            "calibration": self.calibration,
        }
        # Written last and atomically: a folder without it is no checkpoint.
        write_whole(folder / "meta.json", msgspec.json.encode(metadata))

    @classmethod
    def load(cls, folder: Path) -> AttributeModel | None:
        """Return the model of a checkpoint; None where there is none, or one of another version.

        Raises:
            CompletionError: The checkpoint is damaged.
        """
        try:
            metadata = read_json(folder / "meta.json", _Metadata)
        except (FileNotFoundError, MalformedError):
            return None
        if metadata.version != VERSION:
            return None
        network = None
        listwise = TASKS[metadata.attribute].multi_valued if metadata.attribute in TASKS else False
        try:
            if metadata.network:
                from safetensors.torch import load_file

                from gnn.models.graph_network import GraphNetwork, accelerator

                network = GraphNetwork(len(metadata.values), len(CANDIDATE.neighbours_per_group))
                network.load_state_dict(load_file(folder / "network.safetensors"))
                network = network.to(accelerator())
            bag_of_words = BagOfWordsClassifier.load(folder / "bag_of_words.safetensors", metadata.bag_of_words_values)
            ranker = Ranker.load(folder, listwise=listwise, with_stacked=metadata.network and not listwise)
        except (OSError, RuntimeError, SafetensorError, LightGBMError) as error:
            raise CompletionError(
                f"the checkpoint in {folder} cannot be read ({error})", hint="Learn anew with --retrain"
            ) from error
        return cls(metadata.attribute, metadata.values, network, bag_of_words, ranker, metadata.calibration)


class _Metadata(msgspec.Struct):
    version: str
    attribute: str
    values: list[str]
    bag_of_words_values: list[str]
    network: bool
    calibration: Calibration


def build_candidate_table(
    label_smoothing: LabelSmoothing, network: GraphNetwork | None, class_of_value: Integers, query: CompletionQuery
) -> CandidateTable:
    """Return the candidates of models, with the scores of network and bag of words among their features.

    The likeliest values by the network are candidates; without one, those by the bag of words.

    Args:
        label_smoothing: Smoothed bag-of-words probabilities, over the neighbourhood that they were made for.
        network: The graph network; without it, the table has no features of one.
        class_of_value: The network's output of each value, -1 for none, shape (graph values,).
        query: The models, shape (q,).
    """
    neighbourhood = label_smoothing.neighbourhood
    network_scores = None
    if network is not None:
        from gnn.models.graph_network import Collator, predict_log_proba

        log_probabilities = predict_log_proba(
            network,
            Collator(neighbourhood.token_table, neighbourhood.metadata_tokens),
            sample_neighbours(neighbourhood, query, class_of_value),
        )
        network_scores = ClassScores(log_probabilities, class_of_value)
    bag_of_words_scores = label_smoothing.class_scores(query)
    return neighbourhood.derived(CandidateTableBuilder).build(
        query,
        network_scores,
        (network_scores or bag_of_words_scores).top_values(CANDIDATE.classifier_top_k),
        bag_of_words_scores,
        partial(label_smoothing.mean_neighbour_probability, query),
    )
