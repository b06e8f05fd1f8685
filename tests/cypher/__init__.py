"""Tests of cypher."""
