"""Decisions before a pull, notices, impact of a change upstream, and duties of EU law for general-purpose models."""
