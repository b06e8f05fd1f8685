"""Evaluation against baselines on held-out models."""
