"""Tests of ingest.hub."""
