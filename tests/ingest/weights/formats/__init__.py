"""Tests of ingest.weights.formats."""
