"""Tests of ingest.normalise."""
