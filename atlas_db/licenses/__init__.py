"""The licence audit: rules as data, one pass over all ancestors, findings with evidence. No legal advice."""
