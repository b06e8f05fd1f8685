"""Tuned constants of completion, as frozen dataclasses."""
