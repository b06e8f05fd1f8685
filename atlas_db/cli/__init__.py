"""The command line: one module a verb, one output sink, one error table."""
