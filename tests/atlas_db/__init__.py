"""Tests of atlas_db."""
