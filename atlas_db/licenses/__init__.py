"""Licence audit: rules as data, one pass over all ancestors, findings with evidence. Not legal advice."""
