"""Formats that store inputs × outputs, with neighbouring inputs or outputs in a word: rows are columns there."""
