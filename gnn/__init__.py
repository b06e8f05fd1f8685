"""Completion of missing attributes and edges (nothing here yet)."""
