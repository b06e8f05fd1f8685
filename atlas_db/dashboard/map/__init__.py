"""The map of an atlas: where each model lies, what colours it, and what is written on it."""
