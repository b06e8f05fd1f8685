"""Weights, read in part and never executed: what is in a file, and slices of it as numbers."""
