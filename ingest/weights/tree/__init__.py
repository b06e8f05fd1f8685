"""The search for each family's lineage tree, and its scored edges."""
