"""Tests of ingest.formats.pipelines."""
