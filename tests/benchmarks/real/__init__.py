"""Tests of `benchmarks/real`."""
