"""Tests of gnn.inference."""
