"""Sampled weights of related models, aligned element by element."""
