"""Fingerprints of weights: a few KB a model, computed once."""
