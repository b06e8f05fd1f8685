"""Tests of atlas_db.analysis."""
