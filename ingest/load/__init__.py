"""Records to claims in the graph: decode, resolve, write, roll back."""
