"""Tests of ingest.formats.onnx_files."""
