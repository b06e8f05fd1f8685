"""The floor of every layer: terms, errors, records, schema, settings, files, locks, hashes and array types."""
