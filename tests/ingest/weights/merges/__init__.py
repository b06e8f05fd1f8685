"""Tests of ingest.weights.merges."""
