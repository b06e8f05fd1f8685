"""Tests of atlas_db.core."""
