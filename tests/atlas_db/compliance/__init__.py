"""Tests of atlas_db.bom."""
