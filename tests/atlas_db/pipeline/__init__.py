"""Tests of atlas_db.pipeline."""
