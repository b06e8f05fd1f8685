"""Public test sets of lineage from weights, by ids alone: weights are read wherever they can be had."""
