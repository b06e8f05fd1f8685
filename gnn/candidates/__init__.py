"""Candidate values of an attribute for a model."""
