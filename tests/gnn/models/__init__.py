"""Tests of gnn.models."""
