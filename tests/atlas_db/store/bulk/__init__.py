"""Tests of atlas_db.store."""
