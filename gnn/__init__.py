"""Completion: what is missing in the graph, learnt from what is declared, with calibrated confidence."""
