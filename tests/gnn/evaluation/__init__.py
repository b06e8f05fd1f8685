"""Tests of gnn.evaluation."""
