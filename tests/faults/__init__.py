"""Faults from outside: other writers, kills, damage. Each ends in the same graph, or in a plain refusal."""
