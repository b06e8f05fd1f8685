"""Normalisation of licence ids, languages, dates and identifiers. Pure functions."""
