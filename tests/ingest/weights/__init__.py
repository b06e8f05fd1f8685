"""Tests of ingest.weights."""
