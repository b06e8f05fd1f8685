"""Weight files: detect, open, read headers and values."""
