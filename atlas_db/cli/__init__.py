"""The command line: one module a command, one for output, one for errors."""
