"""Normalisation of names, licences, languages and dates. Pure functions."""
