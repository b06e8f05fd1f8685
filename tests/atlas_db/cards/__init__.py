"""Tests of `atlas_db/cards`."""
