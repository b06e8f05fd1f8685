"""Tests of ingest.weights.samples."""
