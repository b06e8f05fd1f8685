"""Tests of atlas_db.dashboard."""
