"""Tuned constants of the learned models: network, bag of words, ranker, propensity, calibration, training."""

from __future__ import annotations

from dataclasses import dataclass, field

from atlas_db.core.parameters import parameter

_CHOSEN = "chosen: no search is recorded"
_HALVED = "chosen on April and May 2024: 200 trees at .08 are as accurate (licence .723), and their ECE .006 higher"
_COST = "chosen for time and memory: the whole list on a laptop"


@dataclass(frozen=True, slots=True)
class NetworkParameters:
    """The graph network.

    Attributes:
        embedding_size: Size of token, label, relation and age embeddings.
        attention_heads: Heads of the attention layer.
        batch_size: Targets a step.
        token_dropout: Share of tokens hidden in training.
        attention_dropout: Dropout of attention weights.
        head_dropout: Dropout before the last layer.
        max_linear_values: Values up to which tokens also have a direct weight for each value.
        linear_scale: Factor of those direct weights, which start at zero.
        age_decay: Rate at which the second age feature, exp(-rate * years), falls.
        weight_decay: Weight decay of AdamW.
        warmup_share: Share of the steps in which the learning rate rises.
    """

    embedding_size: int = parameter(64, "1", _COST)
    attention_heads: int = parameter(4, "1", _CHOSEN)
    batch_size: int = parameter(2048, "models", _COST)
    token_dropout: float = parameter(
        0.5, "share", "tuned on February and March 2024: accuracy .698 with none, .701 with .3, .703 with .5"
    )
    attention_dropout: float = parameter(0.1, "share", _CHOSEN)
    head_dropout: float = parameter(0.2, "share", _CHOSEN)
    max_linear_values: int = parameter(256, "values", "chosen for memory: one weight a token and value")
    linear_scale: float = parameter(30.0, "1", "chosen: tokens are averaged, so that their weights have to be large")
    age_decay: float = parameter(4.0, "1 / year", _CHOSEN)
    weight_decay: float = parameter(0.01, "1", "the default of AdamW")
    warmup_share: float = parameter(0.1, "share", _CHOSEN)


@dataclass(frozen=True, slots=True)
class BagOfWordsParameters:
    """Logistic regression on tokens.

    Attributes:
        max_declarations: Newest declarations that it learns from at most.
        max_values: Most frequent values that it has weights for.
        l2_penalty: Weight of the squared weights in its loss.
        epochs: Passes over the declarations.
        min_probability: Probabilities below are raised to this before the logarithm.
        max_log_odds: Log-odds are cut to at most this, in both directions.
        unseen_log_odds: Log-odds of a value that a view was not fitted on.
    """

    max_declarations: int = parameter(60_000, "declarations", _COST)
    max_values: int = parameter(64, "values", "chosen for memory: one weight a token and value")
    l2_penalty: float = parameter(1e-6, "1", _CHOSEN)
    epochs: int = parameter(5, "passes", _CHOSEN)
    min_probability: float = parameter(1e-6, "probability", "by definition: keeps logarithms finite")
    max_log_odds: float = parameter(30.0, "log-odds", "by definition: keeps exponentials finite")
    unseen_log_odds: float = parameter(-20.0, "log-odds", "chosen: as good as never")


@dataclass(frozen=True, slots=True)
class RankerParameters:
    """Gradient-boosted trees over candidates.

    Attributes:
        pointwise_trees: Trees of each ensemble where candidates are scored each by itself.
        listwise_trees: Trees of each ensemble where candidates are ranked against those of the same model.
        cascade: Stages of listwise scoring: after so many trees, so many candidates of a model go on to the next.
        cascade_gap: Log-odds that a candidate loses at each stage that it does not reach.
        min_parallel_candidates: Candidates from which more than one core trains.
        pointwise_leaves: Leaves of a tree where candidates are scored each by itself.
        listwise_leaves: Leaves of a tree where candidates are ranked against those of the same model.
        listwise_truncation: Ranks whose order counts in the loss.
        pointwise_learning_rate: Shrinkage of each of the first kind of trees.
        listwise_learning_rate: Shrinkage of each of the second.
        feature_share: Share of the features drawn for a tree.
        row_share: Share of the candidates drawn for a tree.
        l2_penalty: Weight of squared leaf values.
        rows_per_leaf: The smallest leaf holds the candidates divided by this, between the two bounds below.
        min_leaf_rows: Lower bound of the smallest leaf.
        max_min_leaf_rows: Upper bound of the smallest leaf.
    """

    pointwise_trees: int = parameter(100, "trees", _HALVED)
    listwise_trees: int = parameter(200, "trees", "100 with a rate of .15: languages' hits@1 -.002, and -.004 cold")
    cascade: tuple[tuple[int, int], ...] = parameter(
        ((25, 24), (80, 8)), "(trees, candidates)", "chosen for time: all trees put the same candidate first"
    )
    cascade_gap: float = parameter(10.0, "log-odds", "by definition: wider than trees part candidates of one model")
    min_parallel_candidates: int = parameter(
        30_000, "candidates", "chosen for time: threads wait for each other on small tables"
    )
    pointwise_leaves: int = parameter(63, "leaves", _CHOSEN)
    listwise_leaves: int = parameter(127, "leaves", _CHOSEN)
    listwise_truncation: int = parameter(15, "ranks", _CHOSEN)
    pointwise_learning_rate: float = parameter(0.15, "1", _HALVED)
    listwise_learning_rate: float = parameter(0.08, "1", _CHOSEN)
    feature_share: float = parameter(0.4, "share", _CHOSEN)
    row_share: float = parameter(0.7, "share", _CHOSEN)
    l2_penalty: float = parameter(5.0, "1", _CHOSEN)
    rows_per_leaf: int = parameter(2000, "1", _CHOSEN)
    min_leaf_rows: int = parameter(3, "candidates", _CHOSEN)
    max_min_leaf_rows: int = parameter(60, "candidates", _CHOSEN)


@dataclass(frozen=True, slots=True)
class PropensityParameters:
    """Reporting propensity, and the probability that there is a parent.

    Attributes:
        min_children: Models that derive from one from which its name counts as known.
        min_name_length: Shortest known name.
        min_examples: Models with a known name in their own, in each fold, below which nothing is learned.
        max_tool_tokens: Most frequent metadata tokens among the propensity features.
        trees: Trees of the propensity model.
        tree_leaves: Leaves of a tree.
        min_leaf_rows: Models in a leaf at least.
        tree_learning_rate: Shrinkage of each tree.
        epochs: Passes of AdaGrad.
        batches: Batches a pass.
        learning_rate: Step of AdaGrad.
        l2_penalty: Weight of the squared weights, divided by the number of models.
        min_propensity: Propensity, and its complement, at least.
        min_ranked_propensity: Propensity from which the reported-parent model is always run.
    """

    min_children: int = parameter(5, "models", _CHOSEN)
    min_name_length: int = parameter(6, "characters", "chosen: shorter names occur in others by chance")
    min_examples: int = parameter(200, "models", _CHOSEN)
    max_tool_tokens: int = parameter(100, "tokens", _CHOSEN)
    trees: int = parameter(150, "trees", _CHOSEN)
    tree_leaves: int = parameter(31, "leaves", "the default of LightGBM")
    min_leaf_rows: int = parameter(50, "models", _CHOSEN)
    tree_learning_rate: float = parameter(0.08, "1", _CHOSEN)
    epochs: int = parameter(3, "passes", _CHOSEN)
    batches: int = parameter(80, "batches", _CHOSEN)
    learning_rate: float = parameter(0.5, "1", _CHOSEN)
    l2_penalty: float = parameter(0.2, "1", _CHOSEN)
    min_propensity: float = parameter(0.01, "probability", "chosen: bounds the weight of one model")
    min_ranked_propensity: float = parameter(0.1, "probability", _CHOSEN)


@dataclass(frozen=True, slots=True)
class TrainingParameters:
    """Which declarations each model learns from.

    Attributes:
        max_lag: An example sees declarations up to a moment at most so long before its own date.
        lag_span_divisor: In a short history, that lag is at most the time that it spans over this.
        ranker_days: Last part of the history that the ranker learns from; the network it uses has not seen it.
        calibration_days: Last part of it that confidence is calibrated on.
        early_quantiles: Bounds of where the ranker's part starts, as quantiles of the dates.
        late_quantiles: Bounds of where the calibration part starts, as quantiles of the dates.
        max_network_declarations: Newest declarations that the network learns from at most.
        max_candidates: Candidates that the ranker learns from at most.
        max_models: Models that the ranker learns from at most.
        negative_rate_single: Share of wrong candidates kept for the ranker where a model has one value.
        negative_rate_multiple: Share of wrong candidates kept for the ranker where a model may have several.
        max_classes: Values that the network has an output for at most.
        min_class_declarations: Declarations of such a value at least.
        min_declarations: Declarations below which nothing is learned.
        metadata_dropout: Share of the network's examples whose metadata is hidden.
        epochs: Passes of the network over the earlier part.
        learning_rate: Highest learning rate of these passes.
        late_epochs: Passes over the ranker's part afterwards.
        late_learning_rate: Highest learning rate of these passes.
    """

    max_lag: float = parameter(61.0, "days", "chosen: two months")
    lag_span_divisor: float = parameter(10.0, "1", _CHOSEN)
    ranker_days: float = parameter(120.0, "days", _CHOSEN)
    calibration_days: float = parameter(30.0, "days", _CHOSEN)
    early_quantiles: tuple[float, float] = parameter((0.3, 0.6), "quantile", "chosen for lists that span weeks")
    late_quantiles: tuple[float, float] = parameter((0.75, 0.9), "quantile", "chosen for lists that span weeks")
    max_network_declarations: int = parameter(250_000, "declarations", _COST)
    max_candidates: int = parameter(900_000, "candidates", _COST)
    max_models: int = parameter(75_000, "models", _COST)
    negative_rate_single: float = parameter(1.0, "share", "by definition: all are kept")
    negative_rate_multiple: float = parameter(0.3, "share", _COST)
    max_classes: int = parameter(4000, "values", _COST)
    min_class_declarations: int = parameter(3, "declarations", _CHOSEN)
    min_declarations: int = parameter(40, "declarations", _CHOSEN)
    metadata_dropout: float = parameter(0.5, "share", "chosen: both views are trained alike")
    epochs: int = parameter(2, "passes", _CHOSEN)
    learning_rate: float = parameter(3e-3, "1", _CHOSEN)
    late_epochs: int = parameter(1, "passes", _CHOSEN)
    late_learning_rate: float = parameter(1e-3, "1", _CHOSEN)


@dataclass(frozen=True, slots=True)
class CalibrationParameters:
    """From scores to confidence.

    Attributes:
        max_bins: Bins of the isotonic fit, of equal sums of scores.
        min_bin_rows: Candidates a bin at least.
        min_confidence: Lowest and, from one, highest calibrated probability.
        inverse_temperatures: Inverse temperatures that are tried.
        min_threshold_models: Models that a threshold rests on at least.
        min_threshold: A threshold is never lower, unless the stated precision is.
        conformal_coverage: Share of models whose prediction set shall hold the truth.
        error_bins: Bins of the expected calibration error.
        reliability_bins: Bins of the reliability curve.
    """

    max_bins: int = parameter(60, "bins", _CHOSEN)
    min_bin_rows: int = parameter(20, "candidates", _CHOSEN)
    min_confidence: float = parameter(0.001, "probability", "chosen: nothing is certain")
    inverse_temperatures: tuple[float, ...] = parameter(
        tuple(2 ** (step / 2) for step in range(13)), "1", "chosen: steps of the square root of two"
    )
    min_threshold_models: int = parameter(60, "models", _CHOSEN)
    min_threshold: float = parameter(0.5, "probability", "by definition: likelier than not")
    conformal_coverage: float = parameter(0.9, "share", "by convention")
    error_bins: int = parameter(15, "bins", "Guo et al. 2017")
    reliability_bins: int = parameter(10, "bins", "by convention")


@dataclass(frozen=True, slots=True)
class OutputParameters:
    """How many predictions and reasons are given.

    Attributes:
        max_datasets: Datasets predicted for a model at most.
        max_parents: Parents predicted for a model at most.
        max_reasons: Groups listed with a prediction at most.
    """

    max_datasets: int = parameter(20, "values", _CHOSEN)
    max_parents: int = parameter(10, "values", _CHOSEN)
    max_reasons: int = parameter(3, "groups", "chosen for readability")


@dataclass(frozen=True, slots=True)
class ModelParameters:
    """All tuned constants of the learned models.

    Attributes:
        network: The graph network.
        bag_of_words: Logistic regression on tokens.
        ranker: Gradient-boosted trees over candidates.
        propensity: Reporting propensity.
        training: Which declarations each model learns from.
        calibration: From scores to confidence.
        output: How many predictions and reasons are given.
    """

    network: NetworkParameters = field(default=NetworkParameters())
    bag_of_words: BagOfWordsParameters = field(default=BagOfWordsParameters())
    ranker: RankerParameters = field(default=RankerParameters())
    propensity: PropensityParameters = field(default=PropensityParameters())
    training: TrainingParameters = field(default=TrainingParameters())
    calibration: CalibrationParameters = field(default=CalibrationParameters())
    output: OutputParameters = field(default=OutputParameters())


MODEL = ModelParameters()
