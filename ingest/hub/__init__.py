"""Readers of Hub material: snapshots, single records, model cards, the live listing."""
