"""Tests of gnn.dataset."""
