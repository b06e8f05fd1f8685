"""Tests of ingest.weights.adapters."""
