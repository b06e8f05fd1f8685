"""Tests of ingest.weights.fingerprints."""
