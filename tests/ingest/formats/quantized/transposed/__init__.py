"""Tests of ingest.formats.quantized.transposed."""
