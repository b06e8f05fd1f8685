"""Tests of atlas_db.fusion."""
