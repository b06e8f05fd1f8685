"""Tests of ingest.load."""
