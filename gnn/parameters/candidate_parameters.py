"""How many candidates each generator proposes, and what counts by group look back on."""

from __future__ import annotations

from dataclasses import dataclass

from atlas_db.core.parameters import parameter

_BY_HAND = "chosen by hand; no sweep is recorded"
_ON_VALIDATION = "tuned on the months before the test split"


@dataclass(frozen=True, slots=True)
class CandidateParameters:
    """Candidate generation and counts by group.

    Attributes:
        values_per_group: Most frequent values that one group proposes.
        single_top_k: Most frequent values of late that every model of a single-valued attribute gets proposed.
        multi_top_k: The same for attributes with several values.
        classifier_top_k: Values with the highest probability by the graph network, or without one by the bag of words,
            that are proposed.
        recent_events: Latest declarations of a group that count as recent.
        recent_days: Days before the cutoff that count as recent.
        tokens_per_name: Leading tokens of a name that are indexed.
        champion_list: Names read of each posting list, in the order of their static scores.
        nearest_names: Nearest neighbours by name whose declarations are averaged.
        parents_by_name: Parents proposed by their names.
        parents_by_owner_and_name: Parents proposed by owner and name together.
        parents_by_author: Latest older models of the same author that are proposed as parents.
        trending_parents: Most liked models of the weeks before that are proposed as parents.
        trending_days: Days before the week of a model in which trending parents were created.
        similarity_weight: Weight of the similarity of names in the score of a parent.
        static_weight: Weight of the static score in the score of a parent.
        author_weight: Weight of log(1 + children of the author's models) in the static score; that of the model's own
            children is 1.
        likes_weight: Weight of log(1 + likes) in the static score.
        downloads_weight: Weight of log(1 + downloads) in the static score.
        datasets_by_name: Datasets proposed by their names.
        datasets_by_author: Latest datasets of the same author that are proposed.
        dataset_use_weight: Weight of log(1 + earlier declarations) in the score of a dataset.
        proposing_groups: Groupings whose most frequent values are proposed.
        smoothed_groups: Groupings over which bag-of-words probabilities are averaged.
        max_age_years: Years at which the age of a neighbour is clipped.
        neighbours_per_group: Labelled neighbours that the network attends to, by grouping.
    """

    values_per_group: int = parameter(12, "values", _BY_HAND)
    single_top_k: int = parameter(6, "values", _BY_HAND)
    multi_top_k: int = parameter(20, "values", _BY_HAND)
    classifier_top_k: int = parameter(5, "values", _BY_HAND)
    recent_events: int = parameter(8, "declarations", _BY_HAND)
    recent_days: float = parameter(60.0, "days", _BY_HAND)
    tokens_per_name: int = parameter(32, "tokens", _BY_HAND)
    champion_list: int = parameter(64, "names", _BY_HAND)
    nearest_names: int = parameter(10, "models", _BY_HAND)
    parents_by_name: int = parameter(40, "models", _BY_HAND)
    parents_by_owner_and_name: int = parameter(10, "models", _BY_HAND)
    parents_by_author: int = parameter(16, "models", _BY_HAND)
    trending_parents: int = parameter(10, "models", _BY_HAND)
    trending_days: int = parameter(90, "days", _BY_HAND)
    similarity_weight: float = parameter(3.0, "1", _ON_VALIDATION)
    static_weight: float = parameter(0.3, "1", _ON_VALIDATION)
    author_weight: float = parameter(0.3, "1", _BY_HAND)
    likes_weight: float = parameter(0.5, "1", _BY_HAND)
    downloads_weight: float = parameter(0.15, "1", _BY_HAND)
    datasets_by_name: int = parameter(20, "datasets", _BY_HAND)
    datasets_by_author: int = parameter(8, "datasets", _BY_HAND)
    dataset_use_weight: float = parameter(0.1, "1", _BY_HAND)
    proposing_groups: tuple[str, ...] = parameter(
        (
            "author", "parent's label", "second parent's label", "siblings", "author and parent", "same name",
            "author and name pattern", "author and first token", "author and tags", "tags", "family", "children",
            "author and last token", "name pattern", "first two tokens", "parent and last token",
        ),
        "groupings", _BY_HAND,
    )  # fmt: skip
    smoothed_groups: tuple[str, ...] = parameter(
        ("author", "siblings", "same name", "author and name pattern", "author and parent", "first two tokens"),
        "groupings",
        _BY_HAND,
    )
    max_age_years: float = parameter(3.0, "years", _BY_HAND)
    neighbours_per_group: tuple[tuple[str, int], ...] = parameter(
        (
            ("author", 6), ("siblings", 6), ("parent's label", 2), ("second parent's label", 1), ("root's label", 1),
            ("author and parent", 3), ("same name", 4), ("author and name pattern", 3), ("first two tokens", 4),
            ("author and first token", 3), ("family", 3), ("children", 2), ("author of the parent", 2),
        ),
        "models", _BY_HAND,
    )  # fmt: skip


CANDIDATE = CandidateParameters()
