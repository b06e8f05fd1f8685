"""Tests of ingest.weights.probes."""
