"""Tests of ingest.weights.baselines."""
