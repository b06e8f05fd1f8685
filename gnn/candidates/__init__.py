"""Candidate generation: the values that may complete an attribute of a model."""
