"""Tests of ingest.weights.origins."""
