"""Tests of atlas_db.catalogue."""
