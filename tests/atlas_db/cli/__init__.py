"""Tests of atlas_db.cli."""
