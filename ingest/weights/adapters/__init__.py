"""Adapters and their bases: traces that a base leaves in an adapter, and the choice among models."""
