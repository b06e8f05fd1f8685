"""Tuned constants of lineage from weights, one module a stage, each with its unit and how it was set."""
