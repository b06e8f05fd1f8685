"""Completion: what is missing in the graph, learned from what is declared, with calibrated confidence."""
