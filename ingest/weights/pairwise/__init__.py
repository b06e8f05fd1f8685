"""Tests of one model against another."""
