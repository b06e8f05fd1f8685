"""Tests of gnn.candidates."""
