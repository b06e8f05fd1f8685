"""Lineage read from the graph: ancestors, descendants, paths."""
