"""Tests of ingest.weights.pairwise."""
