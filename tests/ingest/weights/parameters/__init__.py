"""Tests of ingest.weights.tree."""
