"""Tuned constants of claims: of names, relations and what records declare."""
