"""Tests of atlas_db.licenses."""
