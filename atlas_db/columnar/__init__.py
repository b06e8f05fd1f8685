"""The graph as columns, for whatever computes over all of it."""
