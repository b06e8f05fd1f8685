"""Tests of gnn.features."""
