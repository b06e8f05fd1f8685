"""Pipelines of diffusers: a model in several folders, one for each component."""
