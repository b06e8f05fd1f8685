"""Tests of `atlas_db/claims`."""
