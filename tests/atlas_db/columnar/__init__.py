"""Tests of atlas_db.columnar."""
