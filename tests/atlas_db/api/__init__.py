"""Tests of atlas_db.api."""
