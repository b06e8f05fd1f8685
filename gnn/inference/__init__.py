"""Predictions: computed, explained, written to the graph."""
